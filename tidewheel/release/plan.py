"""What a release shall do: a pure function from what answers now, what is wanted and the spec, to a list of stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.release.stages import (
    AwaitReady,
    Colour,
    Confirm,
    Drain,
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


@dataclass(frozen=True)
class Live:
    """What answers for a pipeline now.

    Attributes:
        colour: where the router sends requests.
        version: what runs there.
        healthy: whether it answers a golden row.
    """

    colour: Colour
    version: str
    healthy: bool = True


@dataclass(frozen=True)
class State:
    """What a release finds. `live` is None where nothing is routed."""

    live: Live | None = None

    @property
    def idle(self) -> Colour:
        """The colour a new version goes to."""
        return self.live.colour.other if self.live else Colour.BLUE


def plan(state: State, wanted: str, spec: Pipeline) -> list[Stage]:
    """Plan the way from what answers now to the wanted version.

    Args:
        state: what answers now.
        wanted: version in the registry.
        spec: says how careful the release is.

    Returns:
        The stages in order; none where the wanted version answers already.
    """
    live = state.live
    if live is not None and live.version == wanted and live.healthy:
        return []
    idle = state.idle
    stages: list[Stage] = [
        Package(wanted),
        StartIdle(idle, wanted),
        AwaitReady(idle, spec.release.ready_timeout_seconds),
        WarmUp(idle, spec.serving.latency_budget_ms),
        VerifyParity(idle, spec.release.parity_tolerance),
        Switch(idle, wanted),
        Confirm(idle, wanted),
    ]
    if live is not None:
        stages += [Drain(live.colour, spec.release.drain_seconds), Retire(live.colour)]
    return stages


def explain(state: State, wanted: str, stages: list[Stage]) -> str:
    """The plan in a sentence."""
    live = state.live
    if not stages:
        assert live is not None
        return f"version {wanted} is live as {live.colour} and healthy: nothing to do"
    if live is None:
        return f"first release: version {wanted} as {state.idle}"
    health = "" if live.healthy else ", which does not answer,"
    return f"version {wanted} as {state.idle} takes over from version {live.version} as {live.colour}{health}"
