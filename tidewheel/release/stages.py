"""What a release is made of: one small frozen dataclass a stage, plain data that is printed, stored and resumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar, get_args

from tidewheel.errors import ReleaseError
from tidewheel.policies.guard import GuardPolicy
from tidewheel.policies.verdict import Kind, Outcome, Verdict


class Colour(StrEnum):
    """One of the two places a version can run in; live and idle are roles, not colours."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Colour:
        """The colour this one takes turns with."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


class _Named:
    """What every stage has."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """What the stage is called; no two stages of a plan are called alike."""
        return self.kind


@dataclass(frozen=True)
class Package(_Named):
    """Build the Bento of the version; one that is built already is used again."""

    kind: ClassVar[str] = "package"
    version: str

    def __str__(self) -> str:
        return f"build the Bento of version {self.version}, or use the one that is there"


@dataclass(frozen=True)
class StartIdle(_Named):
    """Start the version in the idle colour; nothing is routed to it."""

    kind: ClassVar[str] = "start"
    colour: Colour
    version: str
    replicas: int = 1

    def __str__(self) -> str:
        count = f" with {self.replicas} replicas" if self.replicas > 1 else ""
        return f"start version {self.version} as {self.colour}{count}, without traffic"


@dataclass(frozen=True)
class AwaitReady(_Named):
    """Wait until the idle colour answers its golden row."""

    kind: ClassVar[str] = "ready"
    colour: Colour
    timeout_seconds: float

    def __str__(self) -> str:
        return f"wait until {self.colour} is ready, {self.timeout_seconds:g} s at most"


@dataclass(frozen=True)
class WarmUp(_Named):
    """Ask the idle colour for golden rows, and hold its latency and its memory against the budgets."""

    kind: ClassVar[str] = "warm_up"
    colour: Colour
    latency_budget_ms: float
    memory_budget_mb: float

    def __str__(self) -> str:
        return (
            f"warm {self.colour} up; a golden row must be answered within {self.latency_budget_ms:g} ms, "
            f"with at most {self.memory_budget_mb:g} MiB of memory"
        )


@dataclass(frozen=True)
class VerifyParity(_Named):
    """Compare what the idle colour answers with the golden rows' offline predictions, and with the live colour."""

    kind: ClassVar[str] = "parity"
    colour: Colour
    tolerance: float
    against: Colour | None
    guard: GuardPolicy

    def __str__(self) -> str:
        beside = f", and its scores with those of {self.against}" if self.against else ""
        offline = f"compare {self.colour} with the offline predictions of the golden rows, within {self.tolerance:g}"
        return f"{offline}{beside}"


@dataclass(frozen=True)
class GuardedStage(_Named):
    """A stage that the guard judges.

    Attributes:
        colour: the new version's.
        against: the old one's.
        seconds: how long.
        window_seconds: length of one judgement.
        guard: the rules.
    """

    colour: Colour
    against: Colour
    seconds: float
    window_seconds: float
    guard: GuardPolicy


@dataclass(frozen=True)
class Mirror(GuardedStage):
    """Send copies of all requests to the idle colour, whose answers nobody gets, under the guard."""

    kind: ClassVar[str] = "shadow"

    def __str__(self) -> str:
        return f"mirror all requests to {self.colour} for {self.seconds:g} s under the guard; {self.against} answers"


@dataclass(frozen=True)
class CanaryStage(GuardedStage):
    """Let the idle colour answer a share of the requests, under the guard."""

    kind: ClassVar[str] = "canary"
    share: int

    @property
    def name(self) -> str:
        """The kind and the share, for a canary has several steps."""
        return f"{self.kind}_{self.share}"

    def __str__(self) -> str:
        return f"route {self.share}% of the requests to {self.colour} for {self.seconds:g} s under the guard"


@dataclass(frozen=True)
class Switch(_Named):
    """Route all traffic to the new colour."""

    kind: ClassVar[str] = "switch"
    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"route all traffic to {self.colour} (version {self.version})"


@dataclass(frozen=True)
class Confirm(_Named):
    """See that the router has accepted the new routes, and that a real request is answered by the new colour."""

    kind: ClassVar[str] = "confirm"
    colour: Colour
    version: str

    def __str__(self) -> str:
        return f"confirm that the router acknowledged and that {self.colour} answers a real request"


@dataclass(frozen=True)
class Bake(GuardedStage):
    """Watch the new colour under the guard, while the old one stands by."""

    kind: ClassVar[str] = "bake"

    def __str__(self) -> str:
        return f"watch {self.colour} under the guard for {self.seconds:g} s; {self.against} stays warm"


@dataclass(frozen=True)
class Drain(_Named):
    """Wait until the old colour has answered what it had begun."""

    kind: ClassVar[str] = "drain"
    colour: Colour
    timeout_seconds: float

    def __str__(self) -> str:
        return f"wait until {self.colour} has no request in flight, {self.timeout_seconds:g} s at most"


@dataclass(frozen=True)
class Retire(_Named):
    """Stop the old colour, to which nothing is routed any more."""

    kind: ClassVar[str] = "retire"
    colour: Colour

    def __str__(self) -> str:
        return f"stop {self.colour}"


Stage = (
    Package
    | StartIdle
    | AwaitReady
    | WarmUp
    | VerifyParity
    | Mirror
    | CanaryStage
    | Switch
    | Confirm
    | Bake
    | Drain
    | Retire
)


@dataclass(frozen=True)
class StageResult:
    """What a stage did.

    Attributes:
        sentence: for a person.
        figures: for the ledger.
        verdict: the guard's, where it gave one.
    """

    sentence: str
    figures: dict[str, Any]
    verdict: Verdict | None = None


class GuardBreach(ReleaseError):
    """The guard takes the release back.

    Attributes:
        verdict: why.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


class AskedBack(ReleaseError):
    """An operator takes the release back.

    Attributes:
        verdict: who and why.
    """

    def __init__(self, reason: str) -> None:
        self.verdict = Verdict(Kind.RELEASE, Outcome.ROLLED_BACK, f"taken back by hand: {reason}")
        super().__init__(self.verdict.sentence)


PLAN = "plan"
"""The step before all stages: decide what to do, and write it into the ledger."""

_BY_KIND: dict[str, type[Stage]] = {stage.kind: stage for stage in get_args(Stage)}


def stage_to_json(stage: Stage) -> dict[str, Any]:
    """A stage as the ledger keeps it."""
    return {"stage": stage.kind, **asdict(stage)}


def stage_from_json(document: dict[str, Any]) -> Stage:
    """The stage that `stage_to_json` wrote."""
    fields: dict[str, Any] = dict(document)
    stage = _BY_KIND[fields.pop("stage")]
    for name in ("colour", "against"):
        if fields.get(name) is not None:
            fields[name] = Colour(fields[name])
    if "guard" in fields:
        fields["guard"] = GuardPolicy(**fields["guard"])
    return stage(**fields)
