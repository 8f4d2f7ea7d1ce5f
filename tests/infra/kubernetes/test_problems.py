"""Why a colour does not serve, by what Kubernetes says of its Deployment and its pods."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from kubernetes.client import models as k8s

from infra.kubernetes.problems import missing, problem


def deployment(replicas: int = 1, available: int = 0, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "shop-blue", "generation": 2},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 2, "availableReplicas": available, "updatedReplicas": replicas, **status},
    }


def pod(
    state: k8s.V1ContainerState | None = None,
    *,
    ready: bool = False,
    last: k8s.V1ContainerState | None = None,
    restarts: int = 0,
    unscheduled: str = "",
    ending: Literal["", "leaving", "evicted"] = "",
) -> k8s.V1Pod:
    evicted, leaving = ending == "evicted", ending == "leaving"
    conditions = [k8s.V1PodCondition(type="Ready", status=str(ready))]
    if unscheduled:
        conditions.append(k8s.V1PodCondition(type="PodScheduled", status="False", message=unscheduled))
    status = k8s.V1ContainerStatus(
        name="endpoint",
        image="models:1",
        image_id="",
        ready=ready,
        restart_count=restarts,
        state=state,
        last_state=last,
    )
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(
            name="shop-blue-1",
            namespace="ns",
            deletion_timestamp="2026-01-01T00:00:00Z" if leaving else None,
        ),
        status=k8s.V1PodStatus(
            phase="Failed" if evicted else "Running",
            reason="Evicted" if evicted else None,
            message="The node was low on resource: memory." if evicted else None,
            conditions=conditions,
            container_statuses=[status] if state else None,
        ),
    )


def waiting(reason: str, message: str = "") -> k8s.V1ContainerState:
    return k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason=reason, message=message))


def ended(code: int, reason: str = "Error", message: str = "") -> k8s.V1ContainerState:
    return k8s.V1ContainerState(
        terminated=k8s.V1ContainerStateTerminated(exit_code=code, reason=reason, message=message)
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            pod(ended(1, message="No module named x")),
            "pod ns/shop-blue-1 ended with exit code 1; the end of its log:\nNo module",
        ),
        (
            pod(waiting("CrashLoopBackOff"), last=ended(1, message="No module named x"), restarts=3),
            "ended with exit code 1, after 3 restarts; the end of its log:\nNo module named x",
        ),
        (pod(waiting("CrashLoopBackOff"), last=ended(137, "OOMKilled"), restarts=1), "raise serving.resources.memory"),
        (pod(waiting("ErrImagePull", "not found")), "its image models:1 cannot be pulled (ErrImagePull: not found)"),
        (pod(waiting("CreateContainerConfigError", 'secret "t" not found')), 'secret "t" not found'),
    ],
)
def test_what_will_not_come_right_by_itself_is_a_problem(found: k8s.V1Pod, expected: str) -> None:
    assert expected in problem(deployment(), [found])


@pytest.mark.parametrize(
    "found",
    [
        pod(),
        pod(waiting("ContainerCreating")),
        pod(k8s.V1ContainerState(running=k8s.V1ContainerStateRunning())),
        pod(k8s.V1ContainerState(running=k8s.V1ContainerStateRunning()), last=ended(1), restarts=1),
        pod(unscheduled="0/1 nodes are available: 1 Insufficient cpu."),
        pod(ended(1), ending="leaving"),
        pod(ended(1), ending="evicted"),
    ],
)
def test_what_is_on_its_way_is_none(found: k8s.V1Pod) -> None:
    assert problem(deployment(), [found]) == ""


def test_pods_that_kubernetes_does_not_make_are_explained() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": 'pods "x" is forbidden: exceeded quota: few'}
    found = deployment(conditions=[refused])
    assert problem(found, []) == 'Deployment shop-blue gets no pod: pods "x" is forbidden: exceeded quota: few'
    assert "exceeded quota: few" in missing(found, [], 1)


def test_a_colour_is_whole_when_as_many_pods_are_available_as_it_should_have() -> None:
    assert missing(deployment(2, 2), [], 1) == ""
    assert missing(deployment(2, 1), [], 1) == "Deployment shop-blue has 1 of 2 pods available"
    assert missing(deployment(1, 1), [], 3) == "Deployment shop-blue has 1 of 3 pods available"
    assert "have not taken it up" in missing(deployment(1, 1, observedGeneration=1), [], 1)
    unscheduled = pod(unscheduled="0/1 nodes are available: 1 Insufficient cpu.")
    expected = "no node has room for pod ns/shop-blue-1: 0/1 nodes are available: 1 Insufficient cpu; add a node"
    assert expected in missing(deployment(), [unscheduled], 1)


def test_a_pod_that_its_node_has_evicted_is_mentioned_and_its_successor_counts() -> None:
    gone, ready = pod(ended(137), ending="evicted"), pod(ready=True)
    assert problem(deployment(1, 1), [gone, ready]) == missing(deployment(1, 1), [gone, ready], 1) == ""
    coming = pod(waiting("ContainerCreating"))
    assert missing(deployment(), [gone, coming], 1).endswith(": pod ns/shop-blue-1 waits: ContainerCreating")
    said = missing(deployment(), [gone], 1)
    assert said.endswith("pod ns/shop-blue-1 was ended by its node: Evicted: The node was low on resource: memory.")
    assert "No module named x" in problem(deployment(), [gone, pod(ended(1, message="No module named x"))])
