"""What a release shall do: a pure function from what answers now, the version to release and the spec, to stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.policies.guard import GuardPolicy
from tidewheel.release.stages import (
    PLAN,
    AwaitReady,
    Bake,
    CanaryStage,
    Colour,
    Confirm,
    Drain,
    Mirror,
    Package,
    Retire,
    Stage,
    StartIdle,
    Switch,
    VerifyParity,
    WarmUp,
)

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline
    from tidewheel.spec.release import Strategy
    from tidewheel.spec.serving import Replicas


@dataclass(frozen=True)
class Live:
    """What answers for a pipeline now.

    Attributes:
        colour: where the router sends requests.
        version: what runs there.
        healthy: whether it answers a golden row.
        replicas: how many were started.
        maximum: to how many the place it runs in may scale it; None where nothing scales.
    """

    colour: Colour
    version: str
    healthy: bool = True
    replicas: int = 1
    maximum: int | None = None


@dataclass(frozen=True)
class EndpointState:
    """What a release finds. `live` is None where nothing is routed."""

    live: Live | None = None

    @property
    def idle(self) -> Colour:
        """The colour a new version goes to."""
        return self.live.colour.other if self.live else Colour.BLUE


def plan(state: EndpointState, version: str, spec: Pipeline) -> list[Stage]:
    """Plan the way from what answers now to another version.

    Args:
        state: what answers now.
        version: to release, in the registry.
        spec: says how careful the release is.

    Returns:
        The stages in order; none where the version answers already, with as many replicas as declared.
    """
    live, replicas = state.live, spec.serving.replicas.minimum
    if live is not None and live.version == version and live.healthy and _as_many(live, spec.serving.replicas):
        return []
    idle, guard = state.idle, guard_policy(spec)
    # There is no way back to a version that does not answer, nor anything to compare with.
    against = live.colour if live is not None and live.healthy else None
    release = spec.release
    stages: list[Stage] = [
        Package(version),
        StartIdle(idle, version, replicas),
        AwaitReady(idle, release.ready_timeout_seconds),
        WarmUp(idle, spec.serving.latency_budget_ms, release.memory_budget_mb * replicas),
        VerifyParity(idle, release.parity_tolerance, against, guard),
    ]
    if against:
        stages += _before_the_switch(idle, against, release.strategy, release.guard.window_seconds, guard)
    stages += [Switch(idle, version), Confirm(idle, version)]
    if against and release.bake_seconds:
        stages.append(Bake(idle, against, release.bake_seconds, release.guard.window_seconds, guard))
    if live is not None:
        stages += [Drain(live.colour, release.drain_seconds), Retire(live.colour)]
    return stages


def stage_names(spec: Pipeline) -> tuple[str, ...]:
    """Every step that a release of this pipeline may have, in the order they run; a plan holds a part of them."""
    fullest = plan(EndpointState(Live(Colour.BLUE, "old")), "new", spec)
    return (PLAN, *(stage.name for stage in fullest))


def guard_policy(spec: Pipeline) -> GuardPolicy:
    """The guard as the spec declares it."""
    declared = spec.release.guard.model_dump(exclude={"window_seconds"})
    return GuardPolicy(latency_budget_ms=spec.serving.latency_budget_ms, **declared)


def _as_many(live: Live, declared: Replicas) -> bool:
    """Whether there may be as many replicas as declared."""
    return live.replicas == declared.minimum and live.maximum in (None, declared.maximum)


def _before_the_switch(
    idle: Colour, against: Colour, strategy: Strategy, window_seconds: float, guard: GuardPolicy
) -> list[Stage]:
    match strategy.kind:
        case "shadow":
            return [Mirror(idle, against, strategy.seconds, window_seconds, guard)]
        case "canary":
            return [
                CanaryStage(idle, against, step.bake_seconds, window_seconds, guard, step.share)
                for step in strategy.steps
            ]
        case "blue_green":
            return []


def explain(state: EndpointState, version: str, stages: list[Stage]) -> str:
    """The plan in a sentence."""
    live = state.live
    if not stages:
        assert live is not None
        return f"version {version} is live as {live.colour} and healthy: nothing to do"
    if live is None:
        return f"first release: version {version} as {state.idle}"
    health = "" if live.healthy else ", which does not answer,"
    [started] = [stage.replicas for stage in stages if isinstance(stage, StartIdle)]
    count = (
        ""
        if started == live.replicas
        else f"{'' if health else ','} with {started} instead of {live.replicas} replicas"
    )
    return f"version {version} as {state.idle} takes over from version {live.version} as {live.colour}{health}{count}"
