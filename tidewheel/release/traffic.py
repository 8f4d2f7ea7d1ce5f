"""Where the requests of a pipeline go, and changing it: the router has acknowledged, what it had begun is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.polling import poll
from tidewheel.release.stages import Colour, StageResult

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend

T = TypeVar("T")

POLL_SECONDS = 0.1
ROUTER_SECONDS = 10.0
"""How long the router may take to accept new routes."""
QUIET_SECONDS = 0.5
"""A colour that has had no request in flight for this long is drained."""


@dataclass(frozen=True)
class Traffic:
    """What the router does with the requests of a pipeline.

    Attributes:
        live: the colour that answers, None where none does.
        share: percent of the requests that the other colour answers instead (canary).
        mirrored: every request also goes to the other colour, whose answer nobody gets (shadow).
    """

    live: Colour | None = None
    share: int = 0
    mirrored: bool = False

    @property
    def reached(self) -> frozenset[Colour]:
        """The colours that any request goes to: none of them may be stopped."""
        if self.live is None:
            return frozenset()
        return frozenset(Colour) if self.share or self.mirrored else frozenset({self.live})

    def __str__(self) -> str:
        if self.live is None:
            return "no colour"
        if self.share:
            return f"{100 - self.share}% to {self.live}, {self.share}% to {self.live.other}"
        return f"{self.live}, mirrored to {self.live.other}" if self.mirrored else str(self.live)


@dataclass(frozen=True)
class Gone:
    """What callers are answered in place of a pipeline that was given up.

    Attributes:
        since: the day, YYYY-MM-DD.
        renamed_to: the pipeline that answers in its place; empty where none does.
    """

    since: str
    renamed_to: str = ""

    def sentence(self, pipeline: str) -> str:
        """What happened, for callers."""
        if self.renamed_to:
            return f"pipeline {pipeline} was renamed on {self.since}: send requests to /{self.renamed_to}/predict"
        return f"pipeline {pipeline} was retired on {self.since}: nothing answers here any more"


def reroute(backend: Backend, target: Traffic) -> None:
    """Change where requests go, and wait until the router has accepted it.

    Raises:
        ReleaseError: it has not within `ROUTER_SECONDS`.
    """
    backend.route(target)
    await_traffic(backend, target)


def await_traffic(backend: Backend, target: Traffic) -> None:
    """Wait until the router has accepted where requests go.

    Raises:
        ReleaseError: it has not within `ROUTER_SECONDS`.
    """
    for _ in poll(ROUTER_SECONDS, every=POLL_SECONDS):
        # Both: an older route may happen to be the target, while the router has not yet heard of one in between.
        if (traffic := current_traffic(backend)) == target and not backend.objection():
            return
    if why := backend.objection():
        if traffic == target:
            raise ReleaseError(f"requests go to {target}, but the router has not confirmed it: {why}")
        raise ReleaseError(f"the router was set to {target} but sends requests to {traffic}: {why}")
    raise ReleaseError(f"the router still sends requests to {traffic}; it was set to {target}")


def current_traffic(backend: Backend) -> Traffic:
    """Where requests go, once the router says it.

    Raises:
        PlatformError: it has not within `ROUTER_SECONDS`.
    """
    return await_router(backend.traffic)


def await_router(ask: Callable[[], T]) -> T:
    """What the router says, once it does: one that is being started again does so in a moment.

    Raises:
        PlatformError: it has not within `ROUTER_SECONDS`.
    """
    for _ in poll(ROUTER_SECONDS, every=POLL_SECONDS):
        try:
            return ask()
        except PlatformError as error:
            why = error
    raise why


def drain(backend: Backend, colour: Colour, timeout_seconds: float) -> StageResult:
    """Wait until a colour that nothing is routed to has answered what it had begun.

    Raises:
        ReleaseError: requests are still routed to it.
    """
    if colour in current_traffic(backend).reached:
        raise ReleaseError(f"requests are still routed to {colour}: it cannot be drained")
    started = quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < min(QUIET_SECONDS, timeout_seconds):
        if left := await_router(lambda: backend.in_flight(colour)):
            if time.monotonic() - started > timeout_seconds:
                sentence = f"{left} requests to {colour} are not answered after {timeout_seconds:g} s"
                return StageResult(sentence, {"left": left})
            quiet_since = time.monotonic()
        time.sleep(POLL_SECONDS)
    return StageResult(f"{colour} has no request in flight", {"left": 0})
