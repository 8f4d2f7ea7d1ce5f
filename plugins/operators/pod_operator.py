"""The operator that runs a job as a Kubernetes pod; only imported where a pipeline asks for pods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import detect_pod_terminate_early_issues
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from plugins.operators.command import JobCommand
from plugins.operators.executor_pod import executor_environment
from plugins.operators.links import RECORD, JobLink
from plugins.operators.outcome import JobOutcome, judge, read_outcome
from plugins.operators.pod_failure import CONTAINER, PodEvent, RequestedPod, exit_code, last_lines
from plugins.operators.process import level_and_message
from tidewheel.errors import ExitCode
from tidewheel.logs import FORMAT_VARIABLE, is_json
from tidewheel.pods import pod_mistakes
from tidewheel.polling import poll
from tidewheel.settings import load_settings
from tidewheel.tracing import context_variables, variables_for_pods

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from pendulum import DateTime

    from tidewheel.settings import Settings
    from tidewheel.spec.resources import Resources

GPU = "nvidia.com/gpu"
SECRET = "tidewheel"  # noqa: S105  the name of a Kubernetes Secret, not its content
"""Kubernetes Secret with the TIDEWHEEL_* variables that hold passwords; a pod's specification must not."""
JUDGED = frozenset({ExitCode.DONE, ExitCode.WRONG_USAGE, ExitCode.DATA_REFUSED})
"""Exit codes by which a job itself says how it ended."""
LEAVING_SECONDS = 120
"""How long a pod that is being deleted may take; Kubernetes kills it after 30."""


class PodUnwatched(AirflowException):
    """Airflow's triggerer cannot watch a pod, which is still at work; a retry of the task goes on with it."""


class PodJobOperator(KubernetesPodOperator):
    """Runs `python -m jobs.<name>` in a pod, waits without holding a worker, and judges how it ended.

    The pod hands nothing back through Airflow: what it made is in the lake, where it is read and verified.

    Args:
        command: what to run.
        settings: where the lake and the registry are, and which image, namespace and pod template to use.
        resources: CPU, memory and GPUs of the pod, as requests and limits.
        links: titles of the links in the job's record that become buttons of the task.
    """

    template_fields: Sequence[str] = (*KubernetesPodOperator.template_fields, "job_options")
    ui_color = "#e8f4f8"

    def __init__(
        self,
        *,
        command: JobCommand,
        settings: Settings,
        resources: Resources,
        links: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        name = f"{command.pipeline}-{command.job}".replace("_", "-")
        limits = {"cpu": f"{resources.cpu:g}", "memory": resources.memory}
        if resources.gpu:
            limits[GPU] = str(resources.gpu)
        template = settings.job_pod_template
        labels = {"app.kubernetes.io/part-of": "tidewheel", "tidewheel/pipeline": command.pipeline}
        super().__init__(
            name=name,
            namespace=settings.job_namespace,
            image=settings.job_image,
            cmds=["python"],
            base_container_name=CONTAINER,
            labels=labels,
            env_vars=_environment(settings, resources, labels),
            env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=SECRET))],
            container_resources=k8s.V1ResourceRequirements(requests=limits, limits=limits),
            pod_template_file=str(template) if template else None,
            schedule_timeout_seconds=settings.job_schedule_timeout_seconds,
            startup_timeout_seconds=settings.job_startup_timeout_seconds,
            termination_message_policy="FallbackToLogsOnError",
            durable=True,
            deferrable=True,
            logging_interval=15,
            do_xcom_push=False,
            log_pod_spec_on_failure=False,
            **kwargs,
        )
        self.command = command
        self.job_options = command.templates
        self.gpu = resources.gpu
        self.spark_account = settings.spark_service_account if resources.executors else ""
        self.operator_extra_links = tuple(JobLink(title) for title in (*links, RECORD))
        self.outcome: JobOutcome | None = None
        self._limit_time(settings)
        self.requested = RequestedPod(
            job=command.job,
            pipeline=command.pipeline,
            namespace=settings.job_namespace,
            image=settings.job_image,
            resources=limits,
            schedule_seconds=settings.job_schedule_timeout_seconds,
            startup_seconds=settings.job_startup_timeout_seconds,
            run_seconds=self.active_deadline_seconds,
            account=self.spark_account,
        )

    def execute(self, context: Context) -> None:
        """Start the pod and wait for it without holding a worker.

        Raises:
            AirflowFailException: a pod could not reach what the job needs.
            AirflowException: Kubernetes refused the pod, or does not answer.
        """
        if mistakes := pod_mistakes(load_settings()):
            raise AirflowFailException(f"{self.command.job} cannot run in a pod: {'; '.join(mistakes)}")
        with self._refusals_in_words():
            super().execute(context)

    def build_pod_request_obj(self, context: Context | None = None, *, dry_run: bool = False) -> k8s.V1Pod:
        """The pod to start. A GPU's toleration comes beside those of the template, not in their place."""
        self.arguments = self.command.arguments(self.job_options)
        pod = super().build_pod_request_obj(context, dry_run=dry_run)
        if self.gpu:
            gpu_node = k8s.V1Toleration(key=GPU, operator="Exists", effect="NoSchedule")
            pod.spec.tolerations = [*(pod.spec.tolerations or []), gpu_node]
        job = next(container for container in pod.spec.containers if container.name == CONTAINER)
        job.env = [*(job.env or []), *_observation()]
        if self.spark_account:
            pod.spec.service_account_name = self.spark_account
            pod.spec.automount_service_account_token = True
        return pod

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Context) -> k8s.V1Pod:
        """Go on with the pod that an earlier try has left at work, or start one when no other is at work any more."""
        self._await_leaving_pods(pod_request_obj.metadata.namespace, context)
        return super().get_or_create_pod(pod_request_obj, context)

    def invoke_defer_method(self, last_log_time: DateTime | None = None, context: Context | None = None) -> None:
        """Leave the waiting to the triggerer, which is to reach Kubernetes as this worker does.

        Where neither a connection nor KUBECONFIG says how, a worker takes the account of its own pod. The provider's
        trigger does so only if it is set to: else it fails at once ("Invalid kube-config file"), after every deferral.
        """
        if self.in_cluster is None and self.hook.is_in_cluster:
            self.in_cluster = True
        super().invoke_defer_method(last_log_time, context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> None:
        """Come back when the pod has something to say: fetch its log, and at its end judge the job."""
        failure = ""
        with self._refusals_in_words():
            try:
                super().trigger_reentry(context, event)
            except PodUnwatched:
                raise
            except AirflowException as error:
                failure = str(error)
        ended = exit_code(self.pod)
        if failure and ended not in JUDGED:
            self._see_to_the_pod(event["name"])
        errors = [
            said for line in last_lines(self.pod) for level, said in [level_and_message(line)] if level == "ERROR"
        ]
        code = ended if ended is not None else ExitCode.FAILED if failure else ExitCode.DONE
        self.outcome = read_outcome(self.command, context["run_id"], code)
        context["ti"].xcom_push(key="return_value", value=judge(self.outcome, errors[-1] if errors else failure))

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        """What the job read and wrote; called only where OpenLineage is switched on."""
        from plugins.operators.lineage import lineage_of

        return lineage_of(self.outcome.record if self.outcome else None)

    def _clean(self, event: dict[str, Any], result: dict[str, Any] | None, context: Context) -> None:
        """See to the pod at the end of a try. The provider waits here, on a worker, until the pod has ended.

        Raises:
            PodUnwatched: the pod is at work, but the trigger has failed too often to go on watching it.
        """
        at_work = self.pod is not None and self.pod.status.phase in ("Pending", "Running")
        if event["status"] == "error" and at_work and exit_code(self.pod) is None:
            if detect_pod_terminate_early_issues(self.pod):
                # Its image cannot be pulled: it never ends, and the provider waits for no end after a time-out only.
                super()._clean({**event, "status": "timeout"}, result, context)
                return
            raise PodUnwatched(
                f"Airflow's triggerer cannot watch pod {event['namespace']}/{event['name']} of job {self.command.job}: "
                f"{event.get('message') or 'no reason given'}; the pod is still at work, and a retry of the task goes "
                "on with it. See that the triggerer reaches Kubernetes' API, and may do what "
                "infra/kubernetes/jobs.yaml allows"
            )
        super()._clean(event, result, context)

    def _limit_time(self, settings: Settings) -> None:
        """Give the job the time of its task from its start on, and the task the time in which the job waits as well."""
        if self.execution_timeout is None:
            return
        # The deadline counts from when the node has taken the pod, so pulling the image is a part of it.
        self.active_deadline_seconds = (
            int(self.execution_timeout.total_seconds()) + settings.job_startup_timeout_seconds
        )
        waits = settings.job_startup_timeout_seconds + settings.job_schedule_timeout_seconds
        self.execution_timeout = self.execution_timeout + timedelta(seconds=waits)

    def _await_leaving_pods(self, namespace: str, context: Context) -> None:
        """Wait for the end of pods of earlier tries that are being deleted: until then they are at work.

        Raises:
            AirflowException: one does not end, as where its node does not answer.
        """
        selector = self._build_find_pod_label_selector(context, exclude_checked=False)
        for _ in poll(LEAVING_SECONDS, every=1):
            pods = self.client.list_namespaced_pod(namespace, label_selector=selector).items
            leaving = [pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is not None]
            if not leaving:
                return
            self.log.info("Waiting for the end of pod %s, which is being deleted", leaving[0])
        raise AirflowException(
            f"pod {namespace}/{leaving[0]} of an earlier try is still being deleted after {LEAVING_SECONDS} s; "
            "no second one is started beside it. If its node is gone, run: "
            f"kubectl delete pod {leaving[0]} --namespace {namespace} --force"
        )

    def _see_to_the_pod(self, name: str) -> None:
        """Raise where the cluster is to blame for a pod's end, and not the job."""
        failure = self.requested.failure(self.pod, name, self._events(name))
        if failure is not None:
            raise (AirflowFailException if failure.final else AirflowException)(failure.sentence)

    def _events(self, name: str) -> list[PodEvent]:
        try:
            events = self.client.list_namespaced_event(
                self.requested.namespace, field_selector=f"involvedObject.name={name}"
            ).items
        except (ApiException, HTTPError) as error:
            self.log.warning("The events of pod %s cannot be read: %s", name, getattr(error, "reason", error))
            return []
        return [PodEvent(event.reason or "", event.message or "") for event in events]

    @contextmanager
    def _refusals_in_words(self) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            raise AirflowException(self.requested.refusal(error)) from error
        except ConfigException as error:
            raise AirflowFailException(
                f"{self.command.job} cannot run in a pod: Airflow knows no Kubernetes cluster ({error}); set "
                "KUBECONFIG for its workers, or make the connection kubernetes_default"
            ) from error
        except HTTPError as error:
            raise AirflowException(f"Kubernetes' API does not answer: {error}") from error


def _observation() -> list[k8s.V1EnvVar]:
    """How the job logs, and which span it continues: that of the task, which is known when it starts."""
    variables = {**variables_for_pods(), **context_variables()}
    if is_json():
        variables[FORMAT_VARIABLE] = "json"
    return [k8s.V1EnvVar(name=name, value=value) for name, value in variables.items()]


def _environment(settings: Settings, resources: Resources, labels: dict[str, str]) -> list[k8s.V1EnvVar]:
    variables = {
        "TIDEWHEEL_LAKE_URL": settings.lake_root,
        "TIDEWHEEL_MLFLOW_URL": settings.mlflow_url,
        "TIDEWHEEL_SPARK_MASTER": settings.spark_master,
        # Measured: Spark's Java takes about half of what a job's processes take together.
        "TIDEWHEEL_SPARK_MEMORY": f"{resources.mebibytes // 2}m",
    }
    if settings.team_cpu_seconds:  # `assemble` asks for it
        variables["TIDEWHEEL_TEAM_CPU_SECONDS"] = json.dumps(settings.team_cpu_seconds)
    plain = [k8s.V1EnvVar(name=name, value=value) for name, value in variables.items()]
    return [*plain, *(executor_environment(settings, labels) if resources.executors else ())]
