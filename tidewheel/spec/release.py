"""The section `release` of a pipeline file: how a new version takes over, and what it must not do while it bakes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tidewheel.spec.sections import Section

LONGEST_SECONDS = 7 * 86_400
"""A wait that no clock overflows at, and longer than anybody bakes."""


class BlueGreen(Section):
    """All traffic moves at once."""

    kind: Literal["blue_green"] = Field(description="all traffic moves at once to the proven colour")


class CanaryStep(Section):
    """One step of a canary."""

    share: int = Field(ge=1, le=99, description="percent of the requests that the new version answers")
    bake_seconds: float = Field(
        default=60, gt=0, le=LONGEST_SECONDS, description="how long this step is held and watched"
    )


class Canary(Section):
    """Traffic moves in steps, each watched by the guard."""

    kind: Literal["canary"] = Field(description="traffic moves in steps, each watched by the guard")
    steps: list[CanaryStep] = Field(min_length=1, max_length=10, description="the steps, with growing shares")

    @model_validator(mode="after")
    def _shares_grow(self) -> Canary:
        shares = [step.share for step in self.steps]
        if shares != sorted(set(shares)):
            raise ValueError(f"the shares {', '.join(map(str, shares))} do not grow: name them in ascending order")
        return self


class Shadow(Section):
    """The new version first gets copies of the requests; nobody sees its answers."""

    kind: Literal["shadow"] = Field(description="the new version first gets copies of all requests, unseen by callers")
    seconds: float = Field(
        default=60, gt=0, le=LONGEST_SECONDS, description="how long requests are mirrored and compared"
    )


Strategy = Annotated[BlueGreen | Canary | Shadow, Field(discriminator="kind")]


class Guard(Section):
    """What a new version must not do while the old one still stands by."""

    window_seconds: float = Field(default=2, gt=0, le=3600, description="length of one judgement")
    minimum_requests: int = Field(
        default=50,
        ge=1,
        description="fewer requests prove nothing good; where there are few callers, golden rows are sent as well",
    )
    maximum_error_share: float = Field(
        default=0.01, ge=0, lt=1, description="share of requests that may fail beyond the old version's share"
    )
    maximum_latency_ratio: float = Field(
        default=2,
        ge=1,
        description="a request is slow that takes longer than this many times the old version's 99th percentile, and "
        "longer than serving.latency_budget_ms",
    )
    maximum_slow_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of requests that may be slow; 0.01 holds the 99th percentile, where no other work makes the "
        "machine pause",
    )
    maximum_score_distance: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="largest Kolmogorov-Smirnov distance of the predictions from the old version's",
    )
    confidence: float = Field(default=0.99, gt=0.5, lt=1, description="with which a breach must differ from chance")
    consecutive_breaches: int = Field(default=2, ge=1, description="windows in a row that take the release back")
    patience_seconds: float = Field(
        default=30,
        ge=0,
        le=LONGEST_SECONDS,
        description="how much longer than its time a bake lasts whose figures are missing or too few",
    )
    when_inconclusive: Literal["roll_back", "keep"] = Field(
        default="roll_back", description="what then becomes of the new version"
    )


class Release(Section):
    """How a new version takes over."""

    strategy: Strategy = Field(default=BlueGreen(kind="blue_green"), description="how traffic moves")
    bake_seconds: float = Field(
        default=6,
        ge=0,
        le=LONGEST_SECONDS,
        description="how long the new version answers all requests while the old one stands by; 0: not at all",
    )
    guard: Guard = Field(default_factory=Guard, description="what is watched while a version bakes")
    parity_tolerance: float = Field(
        default=1e-5,
        ge=0,
        description="largest |served - offline| on golden rows; relative where the prediction is beyond 1",
    )
    ready_timeout_seconds: float = Field(
        default=60,
        gt=0,
        le=LONGEST_SECONDS,
        description="cold start: a colour not ready within this is a failed release",
    )
    memory_budget_mb: float = Field(
        default=1024, gt=0, description="resident memory that each replica of a colour may hold when it is warm, in MiB"
    )
    drain_seconds: float = Field(
        default=5, ge=0, le=LONGEST_SECONDS, description="longest wait for the old colour's requests in flight"
    )
