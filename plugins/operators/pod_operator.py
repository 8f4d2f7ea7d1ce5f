"""The operator that runs a job as a Kubernetes pod; only imported where a pipeline asks for pods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s

from plugins.operators.command import JobCommand, without_empty_options
from plugins.operators.links import RECORD, JobLink
from plugins.operators.outcome import JobOutcome, judge, read_outcome
from tidewheel.errors import ExitCode

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tidewheel.settings import Settings
    from tidewheel.spec.resources import Resources

CONTAINER = "job"
GPU = "nvidia.com/gpu"
SECRET = "tidewheel"  # noqa: S105  the name of a Kubernetes Secret, not its content
"""Kubernetes Secret with the TIDEWHEEL_* variables that hold passwords; a pod's specification must not."""


class PodJobOperator(KubernetesPodOperator):
    """Runs `python -m jobs.<name>` in a pod, waits without holding a worker, and judges how it ended.

    The pod hands nothing back through Airflow: what it made is in the lake, where it is read and verified.

    Args:
        command: what to run.
        settings: where the lake and the registry are, and which image and namespace to use.
        resources: CPU, memory and GPUs of the pod, as requests and limits.
        links: titles of the links in the job's record that become buttons of the task.
    """

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
        super().__init__(
            name=name,
            namespace=settings.job_namespace,
            image=settings.job_image,
            cmds=["python"],
            arguments=command.arguments,
            base_container_name=CONTAINER,
            labels={"app.kubernetes.io/part-of": "tidewheel", "tidewheel/pipeline": command.pipeline},
            env_vars=_environment(settings),
            env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=SECRET, optional=True))],
            container_resources=k8s.V1ResourceRequirements(requests=limits, limits=limits),
            tolerations=[k8s.V1Toleration(key=GPU, operator="Exists", effect="NoSchedule")] if resources.gpu else None,
            startup_timeout_seconds=900,  # a GPU node may have to be started, and the image pulled
            deferrable=True,
            logging_interval=15,
            do_xcom_push=False,
            log_pod_spec_on_failure=False,
            **kwargs,
        )
        self.command = command
        self.operator_extra_links = tuple(JobLink(title) for title in (*links, RECORD))
        self.outcome: JobOutcome | None = None

    def execute(self, context: Context) -> None:
        """Start the pod and wait for it without holding a worker."""
        self.arguments = without_empty_options(self.arguments)
        super().execute(context)

    def trigger_reentry(self, context: Context, event: dict[str, Any]) -> None:
        """Come back when the pod has something to say: fetch its log, and at its end judge the job."""
        failure = ""
        try:
            super().trigger_reentry(context, event)
        except AirflowException as error:
            failure = str(error)
        exit_code = _exit_code(self.pod, failed=bool(failure))
        self.outcome = read_outcome(self.command, context["run_id"], exit_code)
        context["ti"].xcom_push(key="return_value", value=judge(self.outcome, failure))


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "TIDEWHEEL_LAKE_URL": settings.lake_root,
        "TIDEWHEEL_MLFLOW_URL": settings.mlflow_url,
        "TIDEWHEEL_SPARK_MASTER": settings.spark_master,
        "TIDEWHEEL_SPARK_MEMORY": settings.spark_memory,
    }


def _exit_code(pod: k8s.V1Pod | None, *, failed: bool) -> int:
    """The exit code of the job's container; where the cluster has forgotten the pod, what Airflow saw of it."""
    statuses = (pod.status.container_statuses or []) if pod is not None and pod.status is not None else []
    for status in statuses:
        if status.name == CONTAINER and status.state is not None and status.state.terminated is not None:
            return int(status.state.terminated.exit_code)
    return ExitCode.FAILED if failed else ExitCode.DONE
