"""What a release is made of: one small frozen dataclass a stage, plain data that is printed, kept and resumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar, get_args


class Colour(StrEnum):
    """One of the two places a version can run in; live and idle are roles, not colours."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Colour:
        """The colour this one takes turns with."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@dataclass(frozen=True)
class Package:
    """Build the Bento of the version; one that is built already is used again."""

    name: ClassVar[str] = "package"
    version: str

    def __str__(self) -> str:
        return f"build the Bento of version {self.version}, or use the one that is there"


@dataclass(frozen=True)
class StartIdle:
    """Start the version in the idle colour; nothing is routed to it."""

    name: ClassVar[str] = "start"
    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"start version {self.version} as {self.colour}, without traffic"


@dataclass(frozen=True)
class AwaitReady:
    """Wait until the idle colour answers its golden row."""

    name: ClassVar[str] = "ready"
    colour: Colour
    timeout_seconds: float

    def __str__(self) -> str:
        return f"wait until {self.colour} is ready, {self.timeout_seconds:g} s at most"


@dataclass(frozen=True)
class WarmUp:
    """Ask the idle colour for golden rows, and hold its latency against the budget."""

    name: ClassVar[str] = "warm_up"
    colour: Colour
    latency_budget_ms: float

    def __str__(self) -> str:
        return f"warm {self.colour} up; a golden row must be answered within {self.latency_budget_ms:g} ms"


@dataclass(frozen=True)
class VerifyParity:
    """Compare what the idle colour answers for the golden rows with the offline predictions."""

    name: ClassVar[str] = "parity"
    colour: Colour
    tolerance: float

    def __str__(self) -> str:
        return f"compare {self.colour} with the offline predictions of the golden rows, within {self.tolerance:g}"


@dataclass(frozen=True)
class Switch:
    """Route all traffic to the new colour."""

    name: ClassVar[str] = "switch"
    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"route all traffic to {self.colour} (version {self.version})"


@dataclass(frozen=True)
class Confirm:
    """See that the router has accepted the new routes, and that a real request is answered by the new colour."""

    name: ClassVar[str] = "confirm"
    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"confirm that the router acknowledged and that {self.colour} answers a real request"


@dataclass(frozen=True)
class Drain:
    """Wait until the old colour has answered what it had begun."""

    name: ClassVar[str] = "drain"
    colour: Colour
    timeout_seconds: float

    def __str__(self) -> str:
        return f"wait until {self.colour} has no request in flight, {self.timeout_seconds:g} s at most"


@dataclass(frozen=True)
class Retire:
    """Stop the old colour, to which nothing is routed any more."""

    name: ClassVar[str] = "retire"
    colour: Colour

    def __str__(self) -> str:
        return f"stop {self.colour}"


Stage = Package | StartIdle | AwaitReady | WarmUp | VerifyParity | Switch | Confirm | Drain | Retire

PLAN = "plan"
"""The step before all stages: decide what to do, and write it into the ledger."""

STAGE_NAMES: tuple[str, ...] = (PLAN, *(stage.name for stage in get_args(Stage)))
"""Every step a release may have, in the order they run; a plan holds a part of them."""

_BY_NAME: dict[str, type[Stage]] = {stage.name: stage for stage in get_args(Stage)}


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """A stage as the ledger keeps it."""
    return {"stage": stage.name, **asdict(stage)}


def stage_from_json(document: dict[str, Any]) -> Stage:
    """The stage that `stage_to_json` wrote."""
    fields: dict[str, Any] = dict(document)
    stage = _BY_NAME[fields.pop("stage")]
    if "colour" in fields:
        fields["colour"] = Colour(fields["colour"])
    return stage(**fields)
