"""Changing where requests go: the router is told, has acknowledged, and what it had begun is answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.release.probe import Probe, Unanswered
from tidewheel.release.proofs import Found
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend
    from tidewheel.release.stages import Colour

T = TypeVar("T")

POLL_SECONDS = 0.1
ROUTER_SECONDS = 10.0
"""How long the router may take to accept new routes."""
CONFIRM_ROUNDS = 3
"""So many times is a real request sent through each router before a switch counts as taken."""
QUIET_SECONDS = 0.5
"""A colour that has had no request in flight for this long is drained."""


def reroute(backend: Backend, wanted: Traffic) -> None:
    """Tell the router where requests go, and wait until it has accepted that.

    Raises:
        ReleaseError: it has not within `ROUTER_SECONDS`.
    """
    backend.route(wanted)
    await_traffic(backend, wanted)


def await_traffic(backend: Backend, wanted: Traffic) -> None:
    """Wait until the router has accepted where requests go.

    Raises:
        ReleaseError: it has not within `ROUTER_SECONDS`.
    """
    deadline = time.monotonic() + ROUTER_SECONDS
    # Both: it may do what is wanted by an older route, before it has heard of one that came in between.
    while (traffic := known_traffic(backend)) != wanted or backend.objection():
        if time.monotonic() > deadline:
            why = backend.objection()
            if why:
                raise ReleaseError(f"the router was set to {wanted} but sends requests to {traffic}: {why}")
            raise ReleaseError(f"the router still sends requests to {traffic}; it was set to {wanted}")
        time.sleep(POLL_SECONDS)


def answered_by(address: str, token: str, row: dict[str, Any], colour: Colour, version: str) -> float:
    """See that a real request on a new connection is answered by a version.

    Args:
        address: URL of the pipeline through a router.
        token: the platform's.
        row: to ask for.
        colour: the version's.
        version: the one that shall answer.

    Returns:
        Milliseconds to the answer.

    Raises:
        ReleaseError: it is not within `ROUTER_SECONDS`.
    """
    deadline = time.monotonic() + ROUTER_SECONDS
    while True:
        with Probe(address, platform_token=token) as probe:
            try:
                answer = probe.predict([row])
                if (answer.colour, answer.version) == (colour, version):
                    return answer.milliseconds
                why = ReleaseError(f"{address} is still answered by version {answer.version} as {answer.colour}")
            except Unanswered as error:  # the router is being started again: not the new version's fault
                why = error
        if time.monotonic() > deadline:
            raise why
        time.sleep(POLL_SECONDS)


def known_traffic(backend: Backend) -> Traffic:
    """Where requests go, once the router says it.

    Raises:
        PlatformError: it has not within `ROUTER_SECONDS`.
    """
    return once_answered(backend.traffic)


def once_answered(ask: Callable[[], T]) -> T:
    """What the router says, once it does: one that is being started again does so in a moment.

    Raises:
        PlatformError: it has not within `ROUTER_SECONDS`.
    """
    deadline = time.monotonic() + ROUTER_SECONDS
    while True:
        try:
            return ask()
        except PlatformError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def drain(backend: Backend, colour: Colour, timeout_seconds: float) -> Found:
    """Wait until a colour that nothing is routed to has answered what it had begun.

    Raises:
        ReleaseError: requests are still routed to it.
    """
    if colour in known_traffic(backend).reached:
        raise ReleaseError(f"requests are still routed to {colour}: it cannot be drained")
    started = quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < min(QUIET_SECONDS, timeout_seconds):
        if left := once_answered(lambda: backend.in_flight(colour)):
            if time.monotonic() - started > timeout_seconds:
                sentence = f"{left} requests to {colour} are not answered after {timeout_seconds:g} s"
                return Found(sentence, {"left": left})
            quiet_since = time.monotonic()
        time.sleep(POLL_SECONDS)
    return Found(f"{colour} has no request in flight", {"left": 0})
