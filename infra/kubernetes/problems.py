"""Why the pods of a colour do not serve, as sentences that name the object and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from infra.kubernetes.pod import CONTAINER
from tidewheel.pod_status import IMAGE_REASONS, conditions, shortened

if TYPE_CHECKING:
    from kubernetes.client import models as k8s

    from infra.kubernetes.api import Document

FINAL = IMAGE_REASONS | {"CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
"""Reasons for which a container waits, and in all likelihood will go on to."""


def problem(deployment: Document, pods: Sequence[k8s.V1Pod]) -> str:
    """Why what was started does not run; empty where it runs, or is only on its way."""
    pods = [pod for pod in pods if not _replaced(pod)]
    if pods and all(is_ready(pod) for pod in pods):
        return ""
    return next(_refusals(deployment), "") or next((why for pod in pods if (why := _failure(pod))), "")


def missing(deployment: Document, pods: Sequence[k8s.V1Pod], floor: int) -> str:
    """What a colour lacks until it is as large as it should be; empty where nothing.

    Args:
        deployment: of the colour.
        pods: of the colour.
        floor: as few pods as it may have.
    """
    name, status = deployment["metadata"]["name"], deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return f"Deployment {name} was changed and the cluster's controllers have not taken it up yet"
    required = max(floor, deployment["spec"].get("replicas", 1))
    available, updated = status.get("availableReplicas", 0), status.get("updatedReplicas", 0)
    if min(available, updated) >= required:
        return ""
    said = (said for pod in sorted(pods, key=_replaced) if (said := _waits(pod)))
    why = problem(deployment, pods) or next(said, "")
    return f"Deployment {name} has {min(available, updated)} of {required} pods available{f': {why}' if why else ''}"


def _refusals(deployment: Document) -> Iterator[str]:
    """Pods that Kubernetes does not make at all: a quota, an admission policy, a Secret or account that is missing."""
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            name = deployment["metadata"]["name"]
            yield f"Deployment {name} gets no pod: {shortened(condition.get('message'))}"


def _failure(pod: k8s.V1Pod) -> str:
    """Why a pod has come to nothing, empty where it has not."""
    subject = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
    if pod.metadata.deletion_timestamp is not None:
        return ""
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        if status.state is not None and (why := _of_container(subject, status)):
            return why
    return ""


def _of_container(subject: str, status: k8s.V1ContainerStatus) -> str:
    waiting, ended = status.state.waiting, status.state.terminated
    named = subject if status.name == CONTAINER else f"container {status.name} of {subject}"
    last = ended or (status.last_state and status.last_state.terminated)
    crashed = ended is not None and ended.exit_code != 0
    if last is not None and (crashed or (waiting is not None and waiting.reason in FINAL - IMAGE_REASONS)):
        return _end(named, last, status.restart_count)
    if waiting is None or waiting.reason not in FINAL:
        return ""
    said = shortened(waiting.message)
    if waiting.reason in IMAGE_REASONS:
        return (
            f"{named} cannot start: its image {status.image} cannot be pulled ({waiting.reason}: {said}); push it, or "
            "set TIDEWHEEL_SERVING_IMAGE to one that is there, or name imagePullSecrets in the pod template"
        )
    namespace = subject.removeprefix("pod ").partition("/")[0]
    to_do = f"; create it in namespace {namespace}" if waiting.reason == "CreateContainerConfigError" else ""
    return f"{named} cannot start ({waiting.reason}): {said}{to_do}"


def _end(named: str, ended: Any, restarts: int) -> str:
    again = f", after {restarts} restarts" if restarts else ""
    if ended.reason == "OOMKilled":
        return (
            f"{named} used more memory than it may and was killed (OOMKilled){again}; raise serving.resources.memory "
            "in the pipeline file"
        )
    log = (ended.message or "").strip() or "(empty)"
    return f"{named} ended with exit code {ended.exit_code}{again}; the end of its log:\n{log}"


def _replaced(pod: k8s.V1Pod) -> bool:
    """Whether a pod is over, as one that its node has evicted: Kubernetes has made another in its place."""
    return bool(pod.status.phase == "Failed")


def _waits(pod: k8s.V1Pod) -> str:
    """What a pod waits for, or what has come in between."""
    subject = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
    if pod.status.reason:  # Evicted, NodeLost, …
        return f"{subject} was ended by its node: {pod.status.reason}: {shortened(pod.status.message)}"
    for condition in conditions(pod, "PodScheduled", "False"):
        said = shortened(condition.message or condition.reason).rstrip(".")
        return (
            f"no node has room for {subject}: {said}; add a node, or ask for "
            "less under serving.resources in the pipeline file"
        )
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        if not status.ready and status.state is not None and status.state.waiting is not None:
            return f"{subject} waits: {status.state.waiting.reason}"
    return ""


def is_ready(pod: k8s.V1Pod) -> bool:
    """Whether a pod gets requests, or would if any were sent to its colour."""
    return bool(conditions(pod, "Ready", "True"))
