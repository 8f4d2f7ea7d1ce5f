"""What every retraining policy does in a play: decide in the evening, train when it fires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from jobs.models.prediction import Array, FittedModel
from jobs.replay.history import Known
from tidewheel.policies.verdict import Outcome


@dataclass(frozen=True)
class EveningDecision:
    """What the policy said of an evening.

    Attributes:
        day: the evening.
        fired: whether to train.
        sentence: why, or why not.
        alarms: what was found wrong, if anything.
        probation: what was decided of a version on probation; empty where none is.
        returned: whether its predecessor answers again.
        undecided: whether probation has ended without having shown that the version is no worse.
    """

    day: date
    fired: bool
    sentence: str
    alarms: tuple[str, ...] = ()
    probation: str = ""
    returned: bool = False
    undecided: bool = False


@dataclass(frozen=True)
class ReplayedTraining:
    """One training and what came of it.

    Attributes:
        as_of: it used what was known on the evening of this day.
        why: the sentence that called for it.
        outcome: the gate's, or `passed` where there is no gate.
        says: the gate's sentence.
        version: its number where it was promoted.
        fits: models fitted, a refit after the gate counted too.
        rows: rows that the promoted (or refused) model learned from.
        cpu_seconds: what fitting cost on one thread.
        days_tried: what came of trying out which days teach most; empty where nothing was tried.
        undecided: whether its version was refused though it may have been better than the champion.
    """

    as_of: date
    why: str
    outcome: Outcome
    says: str
    version: str | None
    fits: int
    rows: int
    cpu_seconds: float
    days_tried: str = ""
    undecided: bool = False


class Retraining(Protocol):
    """A policy at work in one play."""

    @property
    def champion(self) -> tuple[str, FittedModel]:
        """Number and model of the version that predicts now; there is one once the first training has passed."""
        ...

    def predicted(self, day: date, answers: Array) -> None:
        """Take note of what the champion said of a day's labelled rows."""
        ...

    def decide(self, known: Known) -> EveningDecision:
        """Decide in the evening of a day."""
        ...

    def train(self, known: Known, why: str) -> ReplayedTraining:
        """Train in the evening of a day, and promote where that is right."""
        ...
