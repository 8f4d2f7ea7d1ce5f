"""What to do when registry, ledger and router disagree: a pure function from what each says to a list of repairs.

The ledger says what is live. The registry's alias says what shall be next, the router where requests go. A process that
died between two of them, or a person who moved the alias, leaves them apart.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic, drain, reroute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.release.backend import Backend
    from tidewheel.release.record import ReleaseRecord

log = logging.getLogger("tidewheel.release")


@dataclass(frozen=True)
class Situation:
    """What each of them says about one pipeline.

    Attributes:
        champion: version that the registry's alias names.
        colour: where the ledger says the pipeline is answered; None before the first release.
        version: what the ledger says answers there.
        traffic: where the router says requests go.
        started: what was started in the colours.
        release: number of the release that is under way and that no process works on.
        given_up: why the newest release of a version was taken back, by version.
    """

    champion: str | None = None
    colour: Colour | None = None
    version: str | None = None
    traffic: Traffic = field(default_factory=Traffic)
    started: Mapping[Colour, str] = field(default_factory=dict)
    release: int | None = None
    given_up: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resume:
    """Go on with a release that its process has left."""

    release: int

    def __str__(self) -> str:
        return f"release {self.release} was left in the middle: go on with it"


@dataclass(frozen=True)
class Route:
    """Have the router send everything to one colour, or to none where nothing runs."""

    colour: Colour | None
    present: Traffic

    def __str__(self) -> str:
        return f"the router sends requests to {self.present}: send all of them to {self.colour or 'no colour'}"


@dataclass(frozen=True)
class Point:
    """Have the ledger say what truly answers."""

    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"version {self.version} answers as {self.colour}, and the ledger says otherwise: write it down"


@dataclass(frozen=True)
class Stop:
    """Stop a colour that nothing is routed to and no release needs."""

    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"version {self.version} runs as {self.colour} without a release that needs it: stop it"


@dataclass(frozen=True)
class ReleaseVersion:
    """Release a version: the registry wants it, or what shall answer does not run any more."""

    version: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: release version {self.version}"


@dataclass(frozen=True)
class MoveAlias:
    """Have the registry's alias name what answers."""

    version: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: champion is version {self.version} again"


Repair = Resume | Route | Point | Stop | ReleaseVersion | MoveAlias


def reconcile(now: Situation) -> list[Repair]:
    """What brings registry, ledger and router into agreement.

    Args:
        now: what each of them says; nobody else works on the pipeline's release meanwhile.

    Returns:
        Repairs in the order they are made; none where all agree.
    """
    if now.release is not None:
        # Everything else may be of that release's making: it ends first, and what then differs is repaired next time.
        return [Resume(now.release)]
    repairs, answers = _traffic(now)
    return [*repairs, *_registry(now, answers)]


def _traffic(now: Situation) -> tuple[list[Repair], str | None]:
    """Repairs of ledger and router, and the version that answers after them."""
    recorded, routed = now.colour, now.traffic.live
    answering: Colour | None = None
    if recorded is not None and now.started.get(recorded) == now.version:
        answering = recorded
    elif routed in now.started:
        # What the ledger names does not run, and something else answers: that is better than nothing.
        answering = routed
    repairs: list[Repair] = []
    if now.traffic != Traffic(answering):
        repairs.append(Route(answering, now.traffic))
    if answering is not None and (recorded, now.version) != (answering, now.started[answering]):
        repairs.append(Point(answering, now.started[answering]))
    repairs += [Stop(left, version) for left, version in sorted(now.started.items()) if left is not answering]
    return repairs, now.started[answering] if answering is not None else None


def _registry(now: Situation, answers: str | None) -> list[Repair]:
    target = now.champion or now.version
    if target is None or target == answers:
        return []
    if why := now.given_up.get(target):
        if answers is not None:
            return [MoveAlias(answers, f"version {target} is champion, but was taken back ({why})")]
        return []
    if answers is None:
        return [ReleaseVersion(target, "nothing answers")]
    return [ReleaseVersion(target, f"version {target} is champion, version {answers} answers")]


def situation(champion: str | None, record: ReleaseRecord, backend: Backend) -> Situation:
    """What each of them says now.

    Args:
        champion: version that the registry's alias names.
        record: what the ledger says.
        backend: knows the router and what was started.
    """
    endpoint, running = record.endpoint(), record.running()
    return Situation(
        champion=champion,
        colour=Colour(endpoint.colour) if endpoint else None,
        version=endpoint.version if endpoint else None,
        traffic=backend.traffic(),
        started={colour: version for colour in Colour if (version := backend.version(colour)) is not None},
        release=running.number if running else None,
        given_up=record.given_up(),
    )


def repair(repairs: Sequence[Repair], record: ReleaseRecord, backend: Backend, drain_seconds: float) -> None:
    """Make the repairs of ledger, router and colours; the others are not ours to make.

    Raises:
        ReleaseError: the router does not accept where requests shall go.
    """
    for each in repairs:
        match each:
            case Route(colour):
                reroute(backend, Traffic(colour))
            case Point(colour, version):
                record.correct(colour, version)
            case Stop(colour):
                drain(backend, colour, drain_seconds)
                backend.stop(colour)
            case _:
                continue
        log.warning("%s: %s", record.pipeline, each)
