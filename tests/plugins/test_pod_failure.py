"""Why a pod came to nothing is one sentence that names the object and what to do; the cluster's own words are in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from plugins.operators.pod_failure import PodEvent, PodFailure, RequestedPod

TRAIN = RequestedPod(
    job="train",
    pipeline="orders",
    namespace="models",
    image="registry.example/tidewheel:1",
    resources={"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": "1"},
    schedule_seconds=3600,
    startup_seconds=900,
    run_seconds=1800,
)


def pod(state: k8s.V1ContainerState | None = None, *, deleted: bool = False, **status: Any) -> k8s.V1Pod:
    container = k8s.V1ContainerStatus(name="job", image="i", image_id="i", ready=False, restart_count=0, state=state)
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(name="p", deletion_timestamp=datetime.now(UTC) if deleted else None),
        status=k8s.V1PodStatus(container_statuses=[container] if state else None, **status),
    )


def waiting(reason: str, message: str) -> k8s.V1Pod:
    return pod(k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason=reason, message=message)))


def ended(exit_code: int, reason: str = "Error", **more: Any) -> k8s.V1Pod:
    terminated = k8s.V1ContainerStateTerminated(exit_code=exit_code, reason=reason)
    return pod(k8s.V1ContainerState(terminated=terminated), **more)


def condition(kind: str, status: str, reason: str, message: str) -> k8s.V1PodCondition:
    return k8s.V1PodCondition(type=kind, status=status, reason=reason, message=message)


def gated(gate: str) -> k8s.V1Pod:
    held = pod(conditions=[condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked")])
    held.spec = k8s.V1PodSpec(containers=[], scheduling_gates=[k8s.V1PodSchedulingGate(name=gate)])
    return held


def failure(of: k8s.V1Pod | None, *events: PodEvent) -> PodFailure:
    found = TRAIN.failure(of, "orders-train-1", events)
    assert found is not None
    assert found.sentence.startswith("pod models/orders-train-1 of job train ")
    return found


def test_too_little_memory_names_the_amount_and_the_key_and_is_not_tried_again() -> None:
    found = failure(ended(137, "OOMKilled"))
    assert found.final
    assert "used more memory than its 2Gi" in found.sentence
    assert "raise memory under resources.train in dags/orders.yaml" in found.sentence


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (
            waiting("ImagePullBackOff", "not found"),
            ["registry.example/tidewheel:1", "not found", "TIDEWHEEL_JOB_IMAGE"],
        ),
        (waiting("InvalidImageName", "no name"), ["registry.example/tidewheel:1", "no name", "TIDEWHEEL_JOB_IMAGE"]),
        (
            waiting("CreateContainerConfigError", 'secret "tidewheel" not found'),
            ['secret "tidewheel" not found; create it in namespace models'],
        ),
        (
            pod(conditions=[condition("PodScheduled", "False", "Unschedulable", "1 Insufficient nvidia.com/gpu.")]),
            ["within 3600 s: 1 Insufficient nvidia.com/gpu; it requests", "nvidia.com/gpu 1", "SCHEDULE_TIMEOUT"],
        ),
        (
            gated("kueue.x-k8s.io/admission"),
            ["within 3600 s: kueue.x-k8s.io/admission holds it back", "describe workloads --namespace models"],
        ),
        (pod(reason="Evicted", message="The node was low on memory"), ["Evicted: The node was low on memory", "retry"]),
        (pod(reason="DeadlineExceeded"), ["after 1800 s", "resources.train in dags/orders.yaml"]),
        (
            ended(143, conditions=[condition("DisruptionTarget", "True", "PreemptionByScheduler", "by x")]),
            ["PreemptionByScheduler: by x", "retry"],
        ),
        (ended(143, deleted=True), ["was deleted before the job had ended", "retry"]),
        (pod(k8s.V1ContainerState(running=k8s.V1ContainerStateRunning())), ["still running when the time"]),
        (None, ["was deleted before the job had ended", "by hand", "retry"]),
    ],
)
def test_each_other_end_of_a_pod_says_what_to_do_and_is_tried_again(of: k8s.V1Pod | None, words: list[str]) -> None:
    found = failure(of)
    assert not found.final
    for word in words:
        assert word in found.sentence, found.sentence


def test_a_job_that_failed_by_itself_is_not_the_clusters_fault() -> None:
    assert TRAIN.failure(ended(1), "orders-train-1", []) is None


def test_a_pod_that_hangs_before_its_start_is_told_what_its_events_say() -> None:
    found = failure(waiting("ContainerCreating", ""), PodEvent("FailedMount", 'persistentvolumeclaim "data" not found'))
    assert 'within 900 s: ContainerCreating: persistentvolumeclaim "data" not found' in found.sentence


def test_who_has_deleted_a_pod_is_told_where_its_events_say_so() -> None:
    preempted = PodEvent("Preempted", "Preempted by a pod on node n")
    killed = PodEvent("Killing", "Stopping container job")
    assert "(Preempted: Preempted by a pod on node n)" in failure(None, preempted, killed).sentence
    assert "(Killing: Stopping container job)" in failure(None, PodEvent("Scheduled", "assigned"), killed).sentence


@pytest.mark.parametrize(
    ("status", "message", "cure"),
    [
        (403, 'pods "p" is forbidden: exceeded quota: few, requested: memory=2Gi', "raise that ResourceQuota"),
        (403, 'pods is forbidden: User "u" cannot create resource "pods"', "Role of infra/kubernetes/jobs.yaml"),
        (403, 'pods "p" is forbidden: error looking up service account models/x', "TIDEWHEEL_JOB_POD_TEMPLATE"),
        (401, "Unauthorized", "renew Airflow's credentials"),
        (404, 'namespaces "models" not found', "TIDEWHEEL_JOB_NAMESPACE"),
        (500, "etcdserver: request timed out", "Kubernetes answered 500"),
    ],
)
def test_what_the_api_refuses_is_repeated_with_its_cure(status: int, message: str, cure: str) -> None:
    error = ApiException(status=status, reason="Forbidden")
    error.body = json.dumps({"message": message})
    said = TRAIN.refusal(error)
    assert said.startswith(f"no pod for job train in namespace models: {message}; ")
    assert cure in said


def test_an_answer_that_is_not_kubernetes_own_is_repeated_as_it_is() -> None:
    error = ApiException(status=502, reason="Bad Gateway")
    error.body = "<html>"
    assert TRAIN.refusal(error) == "no pod for job train in namespace models: Bad Gateway; Kubernetes answered 502"
