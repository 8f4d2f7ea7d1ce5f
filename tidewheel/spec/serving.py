"""The section `serving` of a pipeline file: how the model answers online, and with how many replicas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from tidewheel.spec.mistake import Mistake, refuse
from tidewheel.spec.sections import MEMORY, Section

MOST_REPLICAS = 1_000
"""More than any model of a few megabytes needs: a mistyped figure must not start thousands of processes."""


class Replicas(Section):
    """How many copies of the service share the requests of a colour."""

    minimum: int = Field(
        default=1,
        ge=1,
        le=MOST_REPLICAS,
        description="replicas that always run; from 2 on, callers do not notice the loss of one",
    )
    maximum: int = Field(
        default=1,
        ge=1,
        le=MOST_REPLICAS,
        description="replicas under the highest load, by default as many as minimum; only Kubernetes scales up to it",
    )

    requests_in_flight: float | None = Field(
        default=None,
        ge=0.1,
        le=10_000,
        description="beside their CPU, pods are added until each of them has at most so many requests to answer at a "
        "time, on average; where the cluster has an adapter for external metrics",
        examples=[4],
    )

    @model_validator(mode="before")
    @classmethod
    def _maximum_is_minimum_by_default(cls, given: Any) -> Any:
        minimum = given.get("minimum") if isinstance(given, dict) else None
        # A wrong minimum is one mistake, not two.
        valid = type(minimum) is int and 1 <= minimum <= MOST_REPLICAS
        return {"maximum": minimum, **given} if valid else given

    @model_validator(mode="after")
    def _maximum_is_at_least_minimum(self) -> Replicas:
        if self.maximum < self.minimum:
            wrong = f"expected at least minimum, which is {self.minimum}"
            refuse([Mistake(("maximum",), f"found {self.maximum}", wrong)])
        if self.requests_in_flight is not None and self.maximum == self.minimum:
            wrong = f"expected a maximum above minimum, which is {self.minimum}: only an autoscaler reads it"
            refuse([Mistake(("requests_in_flight",), f"found {self.requests_in_flight:g}", wrong)])
        return self


class ServingResources(Section):
    """What a replica gets where it is a pod."""

    cpu: float = Field(
        default=0.5,
        gt=0,
        le=256,
        description="CPU cores that are set aside for it; while the node has more, it may use them",
    )
    memory: str = Field(default="1Gi", pattern=MEMORY, description="memory: set aside for it, and the most it may use")


class Serving(Section):
    """How the model answers online."""

    replicas: Replicas = Field(
        default_factory=Replicas,
        description="how many copies of the service share the requests: processes on one machine, pods on Kubernetes",
        examples=[{"minimum": 2, "maximum": 6}],
    )
    resources: ServingResources = Field(
        default_factory=ServingResources, description="what each replica gets on Kubernetes"
    )
    latency_budget_ms: float = Field(default=50, gt=0, description="a golden row must be answered within this")
    log_sample: float = Field(
        default=1.0, ge=0, le=1, description="share of requests whose prediction is logged to the lake"
    )
    maximum_rows: int = Field(default=10_000, ge=1, description="most rows in one request")
    unknown_categories: Literal["flag", "refuse"] = Field(
        default="flag", description="a category that training never saw is answered and flagged, or refused"
    )
