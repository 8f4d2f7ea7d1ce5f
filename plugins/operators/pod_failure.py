"""Why a job's pod came to nothing, as one sentence that names the Kubernetes object and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.pod_status import IMAGE_REASONS, api_message, conditions, shortened

if TYPE_CHECKING:
    from kubernetes.client import models as k8s
    from kubernetes.client.exceptions import ApiException

CONTAINER = "job"
LOST_REASONS = frozenset({"Preempted", "Evicted", "TaintManagerEviction", "NodeShutdown", "Killing"})
"""Reasons of events that say who has ended a pod."""
GATED = "SchedulingGated"
"""Reason of a pod that a queue has not admitted yet (https://kubernetes.io/docs/concepts/scheduling-eviction/)."""
AGAIN = "a retry of the task runs it again"
LONGER = "run it over fewer days, or give it more under"


@dataclass(frozen=True)
class PodEvent:
    """One event of a pod, such as a volume that could not be mounted."""

    reason: str
    message: str


@dataclass(frozen=True)
class PodFailure:
    """Why a pod came to nothing.

    Attributes:
        sentence: what happened to which object, and what to do.
        final: whether a pod like it would come to the same end, so that a retry is of no use.
    """

    sentence: str
    final: bool = False


@dataclass(frozen=True)
class RequestedPod:
    """What a job has requested of Kubernetes.

    Attributes:
        job: name of the job.
        pipeline: name of the pipeline.
        namespace: where the pod was to run.
        image: of the job.
        resources: CPU, memory and GPUs, by their Kubernetes names.
        schedule_seconds: how long it may wait for a node.
        startup_seconds: how long it may take to start on its node.
        run_seconds: how long it may run; None where nothing limits it.
        account: the account by which its Spark starts executors; empty where it starts none.
    """

    job: str
    pipeline: str
    namespace: str
    image: str
    resources: dict[str, str]
    schedule_seconds: int
    startup_seconds: int
    run_seconds: int | None
    account: str = ""

    @property
    def key(self) -> str:
        """Where its resources are set."""
        return f"resources.{self.job} in dags/{self.pipeline}.yaml"

    @property
    def asks(self) -> str:
        """What it requested, in words."""
        return ", ".join(f"{name} {amount}" for name, amount in self.resources.items())

    def failure(self, pod: k8s.V1Pod | None, name: str, events: Sequence[PodEvent]) -> PodFailure | None:
        """Why the pod came to nothing; None where the cluster is not to blame, but the job.

        Args:
            pod: as Kubernetes described it last; None where it is gone.
            name: the pod's name.
            events: of the pod; empty where there are none, or where they may not be read.
        """
        subject = f"pod {self.namespace}/{name} of job {self.job}"
        if pod is None:
            return PodFailure(f"{subject} was deleted before the job had ended{_who(events)}; {AGAIN}")
        return next((found for found in self._reasons(subject, pod, events)), None)

    def refusal(self, error: ApiException) -> str:
        """What Kubernetes' API has refused, and what to do."""
        message, job = api_message(error), f"no pod for job {self.job} in namespace {self.namespace}"
        if "exceeded quota" in message:
            cure = f"raise that ResourceQuota, wait until others need less, or request less under {self.key}"
        elif error.status == 403 and "User" in message and "cannot" in message:
            cure = "bind that user to the Role of infra/kubernetes/jobs.yaml in this namespace"
        elif error.status == 403 and self.account and f'serviceaccount "{self.account}" not found' in message:
            cure = "apply infra/kubernetes/spark.yaml there, or name another account by TIDEWHEEL_SPARK_SERVICE_ACCOUNT"
        elif error.status == 403:
            cure = f"change the pod template (TIDEWHEEL_JOB_POD_TEMPLATE) or {self.key}, or make what is missing"
        elif error.status == 401:
            cure = "renew Airflow's credentials in KUBECONFIG, or in the connection kubernetes_default"
        elif error.status == 404:
            cure = "create the namespace, or set TIDEWHEEL_JOB_NAMESPACE to one that is there"
        else:
            cure = f"Kubernetes answered {error.status}"
        return f"{job}: {message}; {cure}"

    def _reasons(self, subject: str, pod: k8s.V1Pod, events: Sequence[PodEvent]) -> Iterator[PodFailure]:
        status, container = pod.status, _container(pod)
        if status.reason == "DeadlineExceeded":
            yield PodFailure(
                f"{subject} was ended after {self.run_seconds} s, the longest that its task allows; {LONGER} {self.key}"
            )
        if status.reason:  # Evicted, Preempting, NodeLost, Terminated at the shutdown of a node, …
            yield PodFailure(f"{subject} was ended by its node: {status.reason}: {shortened(status.message)}; {AGAIN}")
        if container is not None and container.state.terminated is not None:
            if container.state.terminated.reason == "OOMKilled":
                yield PodFailure(
                    f"{subject} used more memory than its {self.resources['memory']} and was killed (OOMKilled); "
                    f"raise memory under {self.key}",
                    final=True,
                )
            for disruption in conditions(pod, "DisruptionTarget", "True"):
                yield PodFailure(f"{subject} was ended: {disruption.reason}: {shortened(disruption.message)}; {AGAIN}")
            if pod.metadata.deletion_timestamp is not None:
                yield PodFailure(f"{subject} was deleted before the job had ended{_who(events)}; {AGAIN}")
            return
        if container is not None and container.state.running is not None:
            yield PodFailure(f"{subject} was still running when the time of its task was over; {LONGER} {self.key}")
        if container is not None and container.state.waiting is not None:
            yield self._waiting(subject, container.state.waiting, events)
        for condition in conditions(pod, "PodScheduled", "False"):
            said = shortened(condition.message or condition.reason)
            if condition.reason == GATED:
                gates = ", ".join(gate.name for gate in pod.spec.scheduling_gates)
                yield PodFailure(
                    f"{subject} was not admitted within {self.schedule_seconds} s: {gates} holds it back; see "
                    f"what its queue waits for (with Kueue: kubectl describe workloads --namespace {self.namespace}), "
                    f"request less under {self.key}, or wait longer (TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS)"
                )
            yield PodFailure(
                f"{subject} found no node within {self.schedule_seconds} s: {said.rstrip('.')}; it requests "
                f"{self.asks}: add a node that has as much, request less under {self.key}, or wait longer "
                "(TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS)"
            )

    def _waiting(self, subject: str, waiting: Any, events: Sequence[PodEvent]) -> PodFailure:
        message = shortened(waiting.message)
        if waiting.reason in IMAGE_REASONS:
            return PodFailure(
                f"{subject} cannot start: its image {self.image} cannot be pulled ({waiting.reason}: {message}); "
                "push it, set TIDEWHEEL_JOB_IMAGE to one that is there, or name imagePullSecrets in the pod template"
            )
        if waiting.reason == "CreateContainerConfigError":
            return PodFailure(f"{subject} cannot start: {message}; create it in namespace {self.namespace}")
        warned = next((event.message for event in reversed(events) if event.reason.startswith("Failed")), "")
        said = f"{waiting.reason}: {shortened(warned) or message}"
        longer = "see to that, or wait longer (TIDEWHEEL_JOB_STARTUP_TIMEOUT_SECONDS)"
        return PodFailure(f"{subject} did not start within {self.startup_seconds} s: {said}; {longer}")


def exit_code(pod: k8s.V1Pod | None) -> int | None:
    """The exit code of the job's container; None where it has not ended, or is forgotten."""
    container = _container(pod) if pod is not None else None
    ended = container.state.terminated if container is not None else None
    return int(ended.exit_code) if ended is not None else None


def last_lines(pod: k8s.V1Pod | None) -> list[str]:
    """The last lines of a job that failed, as the kubelet keeps them."""
    container = _container(pod) if pod is not None else None
    ended = container.state.terminated if container is not None else None
    return (ended.message or "").splitlines() if ended is not None else []


def _container(pod: k8s.V1Pod) -> k8s.V1ContainerStatus | None:
    statuses = (pod.status and pod.status.container_statuses) or []
    return next((status for status in statuses if status.name == CONTAINER and status.state is not None), None)


def _who(events: Sequence[PodEvent]) -> str:
    lost = [event for event in events if event.reason in LOST_REASONS]
    if not lost:
        return ", by its eviction or preemption, or by hand"
    # The kubelet's "Killing" follows whatever the reason was, and says the least.
    event = max(reversed(lost), key=lambda event: event.reason != "Killing")
    return f" ({event.reason}: {shortened(event.message)})"
