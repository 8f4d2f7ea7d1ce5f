"""A verdict: what a policy decided, from which inputs, against which thresholds, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What was decided about."""

    VALIDATION = "validation"
    DRIFT = "drift"
    REQUESTS = "requests"
    TRIGGER = "trigger"
    GATE = "gate"
    PROBATION = "probation"
    REVIEW = "review"
    RELEASE = "release"


class Outcome(StrEnum):
    """What was decided."""

    PASSED = "passed"
    REFUSED = "refused"
    INCONCLUSIVE = "inconclusive"
    FIRED = "fired"
    SUPPRESSED = "suppressed"  # something fired, and was held back
    NO_ACTION = "no_action"  # nothing fired
    ROLLED_BACK = "rolled_back"

    @property
    def words(self) -> str:
        """As it is written in a sentence."""
        return self.value.replace("_", " ")


def clause(sentence: str, outcome: str) -> str:
    """A verdict's sentence without the outcome that it begins with, for a place that shows the outcome itself.

    Args:
        sentence: of a verdict.
        outcome: of the same verdict.
    """
    return sentence.removeprefix(f"{outcome.replace('_', ' ')}: ")


@dataclass(frozen=True)
class Verdict:
    """One decision. The sentence is for a person; inputs and thresholds let a person check it."""

    kind: Kind
    outcome: Outcome
    sentence: str
    inputs: Mapping[str, object] = field(default_factory=dict)
    thresholds: Mapping[str, object] = field(default_factory=dict)
