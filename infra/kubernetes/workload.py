"""The objects of a colour: Deployment, Service, disruption budget and autoscaler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.kubernetes.names import colour_labels, colour_name
from infra.kubernetes.pod import CONTAINER
from infra.kubernetes.serving_pod import PORT

if TYPE_CHECKING:
    from tidewheel.release import Colour
    from tidewheel.spec.serving import Replicas

MIN_READY_SECONDS = 1
CPU_PERCENT = 70
"""Of what a pod asks for: above this on average there are more pods, below fewer."""
STEADY_SECONDS = 300
"""So long must fewer pods have sufficed before one of them goes."""
IN_FLIGHT_METRIC = "tidewheel_router_requests_in_flight"
"""Of the exporter, by pipeline and colour; infra/prometheus/metrics-adapter.yaml has an adapter serve it."""


def service(pipeline: str, colour: Colour) -> dict[str, Any]:
    """The Service of a colour; it stays while nothing runs there."""
    spec = {"selector": dict(colour_labels(pipeline, colour)), "ports": [{"name": "http", "port": PORT}]}
    return _object("v1", "Service", pipeline, colour, spec)


def deployment(
    pipeline: str, colour: Colour, template: dict[str, Any], annotations: dict[str, str], replicas: int | None
) -> dict[str, Any]:
    """The Deployment of a colour.

    Args:
        pipeline: its name.
        colour: blue or green.
        template: of its pods.
        annotations: of itself.
        replicas: how many pods; None where an autoscaler says so, and nobody else may.
    """
    spec: dict[str, Any] = {
        "selector": {"matchLabels": dict(colour_labels(pipeline, colour))},
        "minReadySeconds": MIN_READY_SECONDS,
        "revisionHistoryLimit": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    if replicas is not None:
        spec["replicas"] = replicas
    made = _object("apps/v1", "Deployment", pipeline, colour, spec)
    made["metadata"]["annotations"] = annotations
    return made


def disruption_budget(pipeline: str, colour: Colour) -> dict[str, Any]:
    """One pod at a time may be evicted: a node can be drained, and of two pods one answers."""
    spec = {
        "selector": {"matchLabels": dict(colour_labels(pipeline, colour))},
        "maxUnavailable": 1,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object("policy/v1", "PodDisruptionBudget", pipeline, colour, spec)


def autoscaler(pipeline: str, colour: Colour, limits: Replicas, minimum: int) -> dict[str, Any]:
    """Between how many pods a colour has, by their CPU and, where that is said, by the requests they have to answer.

    Args:
        pipeline: its name.
        colour: blue or green.
        limits: as declared.
        minimum: fewest pods now; more than declared while a release holds them.
    """
    name = colour_name(pipeline, colour)
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    # Of the container that answers alone: what else is in a pod neither counts nor has to say what it asks for.
    cpu = {"name": "cpu", "container": CONTAINER, "target": target}
    metrics: list[dict[str, Any]] = [{"type": "ContainerResource", "containerResource": cpu}]
    if limits.requests_in_flight is not None:
        # In thousandths: the API server writes quantities so, and would see a change in each release.
        average = {"type": "AverageValue", "averageValue": f"{round(limits.requests_in_flight * 1000)}m"}
        measured = {"name": IN_FLIGHT_METRIC, "selector": {"matchLabels": {"pipeline": pipeline, "colour": colour}}}
        metrics.append({"type": "External", "external": {"metric": measured, "target": average}})
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": minimum,
        "maxReplicas": limits.maximum,
        "metrics": metrics,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": STEADY_SECONDS}},
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", pipeline, colour, spec)


def _object(version: str, kind: str, pipeline: str, colour: Colour, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": colour_name(pipeline, colour), "labels": dict(colour_labels(pipeline, colour))}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
