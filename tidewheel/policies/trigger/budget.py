"""The budget of trainings, in fits or in seconds of CPU: they come at a steady rate, and some can be saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.restraints import MACHINES, Role
from tidewheel.quantities import quantity

RECENT = 5
"""Newest trainings whose CPU seconds say what the next one takes."""
MILLI = 1000


@dataclass(frozen=True)
class TokenBucket:
    """A token bucket of fits: they come at a steady rate, some can be saved, and each model that is fitted takes one.

    A limit per period would let a burst use the period up, and then the model grow old: where the world drifts without
    a pause, evenly spaced trainings keep more. The first model costs nothing. A fit is paid for, also a person's; but
    no deeper into debt than all but one of those that can be saved, so that a person's ten trainings do not silence the
    policy for months.

    Given in seconds of CPU, the bucket holds usual trainings instead of fits: one takes the median of what the newest
    five took whose cost is recorded, the first model included. Each past training then counts by its own seconds, one
    whose seconds are unknown as a usual one. Until one is recorded nothing is known of the cost, and nothing is held.

    Attributes:
        fits: that come in a period; None: the period has `cpu_seconds` instead.
        days: length of the period.
        burst: most fits, or usual trainings, that can be saved.
        reserve: of those, that must be left afterwards; below zero: those that may be owed.
        cpu_seconds: seconds of CPU that come in a period; None: it has fits.
    """

    fits: int | None
    days: int
    burst: int
    reserve: int = 0
    cpu_seconds: float | None = None
    name: str = "budget"
    concerns: frozenset[Role] = MACHINES

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds while less than one fit, or usual training, is saved beside the reserve."""
        saved = self.saved(measured)
        if saved is None or (missing := 1 + self.reserve - saved) <= 0:
            return None
        left = f", {self.reserve} of them left to alarms" if self.reserve > 0 else ""
        wait = math.ceil(missing / self._a_day(measured))
        return f"the budget is used up ({self._rate(measured)}{left}): the next in {measured.periods(wait)}"

    def saved(self, measured: TriggerMeasurement) -> Fraction | None:
        """Fits, or usual trainings, that are saved today; None while nothing is known of what one costs.

        A fraction, since a sum of thirds would miss the day by rounding.
        """
        if not self._known(measured):
            return None
        saved, since, rate = Fraction(self.burst), measured.today, self._a_day(measured)
        first = next((n for n, a in enumerate(measured.attempts) if a.ended is Ended.PROMOTED), len(measured.attempts))
        for attempt in measured.attempts[first + 1 :]:
            come = rate * max(measured.unit.between(since, attempt.as_of), 0)
            took = self._took(attempt, measured)
            saved = max(min(saved + come, Fraction(self.burst)) - took, Fraction(1 - self.burst))
            since = attempt.as_of
        return min(saved + rate * max(measured.unit.between(since, measured.today), 0), Fraction(self.burst))

    def training_seconds(self, measured: TriggerMeasurement) -> float | None:
        """CPU seconds that a training takes, by the newest ones; None: unknown, or the budget is in fits."""
        took = [a.cpu_seconds for a in measured.attempts if a.cpu_seconds]
        return median(took[-RECENT:]) if took and self.cpu_seconds is not None else None

    def left(self, measured: TriggerMeasurement) -> dict[str, float | None]:
        """What is left of the budget, as the ledger records it: `fits_saved`, or `cpu_seconds_saved` and its bounds."""
        saved, each = self.saved(measured), self.training_seconds(measured)
        if self.cpu_seconds is None:
            return {"fits_saved": None if saved is None else float(saved)}
        return {
            "fits_saved": None,
            "cpu_seconds_saved": None if saved is None or each is None else round(float(saved) * each, 3),
            "cpu_seconds_a_training": each,
        }

    def _known(self, measured: TriggerMeasurement) -> bool:
        return self.fits is not None or self.training_seconds(measured) is not None

    def _a_day(self, measured: TriggerMeasurement) -> Fraction:
        """Fits, or usual trainings, that come in a day, or a week of a weekly pipeline."""
        if self.fits is not None:
            return Fraction(self.fits, self.days)
        return _exact(self.cpu_seconds or 0.0) / _exact(self.training_seconds(measured) or 1.0) / self.days

    def _took(self, attempt: Attempt, measured: TriggerMeasurement) -> Fraction:
        if self.fits is not None:
            return Fraction(attempt.fits)
        usual = self.training_seconds(measured)
        return Fraction(1) if not attempt.cpu_seconds or not usual else _exact(attempt.cpu_seconds) / _exact(usual)

    def _rate(self, measured: TriggerMeasurement) -> str:
        if self.fits is not None:
            return f"one fit in {measured.periods(self.days / self.fits)}, at most {self.burst} saved"
        each = self.training_seconds(measured) or 0.0
        return (
            f"{self.cpu_seconds:g} CPU seconds in {measured.periods(self.days)}, and a training takes about "
            f"{each:.3g}; at most {quantity(self.burst, 'training')} saved"
        )


def left_words(inputs: Mapping[str, object]) -> str:
    """What was left of the budget when the trigger decided, in words; empty without a budget, or where it is unknown.

    Args:
        inputs: of the trigger's verdict, as the ledger has them.
    """
    for name, noun in (("fits_saved", "fit"), ("cpu_seconds_saved", "CPU second")):
        if isinstance(left := inputs.get(name), int | float):
            return f"{quantity(round(left, 1), noun)} left of the budget"
    return ""


def _exact(seconds: float) -> Fraction:
    return Fraction(max(1, round(seconds * MILLI)), MILLI)
