"""How many pods a colour has: between the limits that it was started with, which its Deployment remembers.

The pipeline file may say otherwise by now, or be gone; what answers is as it was released.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from infra.kubernetes.names import IN_FLIGHT, MAXIMUM, MINIMUM, colour_name
from infra.kubernetes.workload import autoscaler
from tidewheel.spec.serving import Replicas

if TYPE_CHECKING:
    from infra.kubernetes.api import Document, KubernetesApi
    from tidewheel.release import Colour

log = logging.getLogger("tidewheel.release")
AUTOSCALER = "HorizontalPodAutoscaler"
EXTERNAL_METRICS = "external.metrics.k8s.io"
"""What an adapter answers with figures that are not of pods."""


class Scaling:
    """The numbers of pods of one pipeline.

    Args:
        api: of the namespace with the colours.
        pipeline: its name.
    """

    def __init__(self, api: KubernetesApi, pipeline: str) -> None:
        self._api, self._pipeline = api, pipeline

    def limits(self, colour: Colour) -> Replicas | None:
        """Between how many pods a colour was started with, None where nothing was started."""
        deployment = self._deployment(colour)
        if deployment is None:
            return None
        annotations = deployment["metadata"]["annotations"]
        return Replicas(
            minimum=int(annotations[MINIMUM]),
            maximum=int(annotations[MAXIMUM]),
            requests_in_flight=float(annotations[IN_FLIGHT]) if IN_FLIGHT in annotations else None,
        )

    def size(self, colour: Colour) -> int:
        """How many pods a colour has, by its Deployment."""
        deployment = self._deployment(colour)
        return int(deployment["spec"].get("replicas", 1)) if deployment else 0

    def floor(self, colour: Colour) -> int:
        """As few pods as a colour may have now."""
        autoscaler = self._api.get(AUTOSCALER, colour_name(self._pipeline, colour))
        return int(autoscaler["spec"]["minReplicas"]) if autoscaler else 1

    def hold(self, colour: Colour, floor: int = 0) -> None:
        """Have a colour keep at least so many pods, as far as its limits allow; what no autoscaler counts stays."""
        limits, name = self.limits(colour), colour_name(self._pipeline, colour)
        if limits is None:
            return
        if not scales(limits):
            self._api.delete(AUTOSCALER, name)
            return
        fewest = min(max(limits.minimum, floor), limits.maximum)
        self._api.apply(autoscaler(self._pipeline, colour, self._measurable(limits), fewest))

    def _measurable(self, limits: Replicas) -> Replicas:
        """Without what nothing in this cluster measures: an autoscaler that misses a figure never takes a pod away."""
        if limits.requests_in_flight is None:
            return limits
        why = ""
        if self._pipeline.endswith("_"):
            why = "an autoscaler cannot select a figure by a name that ends in _; give the pipeline another"
        elif not self._api.serves(EXTERNAL_METRICS):
            why = f"no adapter in this cluster serves {EXTERNAL_METRICS}; install one, and release again"
        if not why:
            return limits
        key = f"serving.replicas.requests_in_flight is {limits.requests_in_flight:g}"
        log.warning("pods of %s scale by their CPU alone: %s and %s", self._pipeline, key, why)
        return limits.model_copy(update={"requests_in_flight": None})

    def _deployment(self, colour: Colour) -> Document | None:
        return self._api.get("Deployment", colour_name(self._pipeline, colour))


def scales(replicas: Replicas) -> bool:
    """Whether an autoscaler says how many pods there are."""
    return replicas.maximum > replicas.minimum


def limit_annotations(replicas: Replicas) -> dict[str, str]:
    """What a Deployment remembers of its limits."""
    limits = {MINIMUM: str(replicas.minimum), MAXIMUM: str(replicas.maximum)}
    if replicas.requests_in_flight is not None and scales(replicas):
        limits[IN_FLIGHT] = f"{replicas.requests_in_flight:g}"
    return limits
