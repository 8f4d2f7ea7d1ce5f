"""Restraints on training: each says why a training that is due must wait, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Protocol

from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.measurement import TriggerMeasurement


class Role(StrEnum):
    """On whose behalf a training is due."""

    PERSON = "person"
    ALARM = "alarm"
    """Something was found wrong."""
    FALL = "fall"
    """Something is badly wrong: it waits for no rest and no budget."""
    ROUTINE = "routine"
    """Time or data has come."""


EVERYBODY = frozenset(Role)
MACHINES = frozenset({Role.ALARM, Role.ROUTINE})


class Restraint(Protocol):
    """One restraint."""

    @property
    def name(self) -> str:
        """As it is called in the ledger."""
        ...

    @property
    def concerns(self) -> frozenset[Role]:
        """Whose trainings it holds."""
        ...

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """The clause after "but": why a training must wait; None where it need not."""
        ...


@dataclass(frozen=True)
class NewestDay:
    """An older day that is monitored again, after a correction or a backfill, is measured and asks for nothing.

    What calls for a training on it would call for one on the newest day too, were it still so.
    """

    name: str = "newest day"
    concerns: frozenset[Role] = EVERYBODY

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds where a later day was monitored before."""
        if measured.monitored_since is None:
            return None
        return f"{measured.monitored_since} was monitored before, and the newest day decides"


@dataclass(frozen=True)
class NoRefusedData:
    """Data that was refused is not trained on."""

    name: str = "refused data"
    concerns: frozenset[Role] = EVERYBODY

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds while the newest data is refused."""
        return measured.data_refused


@dataclass(frozen=True)
class SingleFlight:
    """One training at a time.

    Attributes:
        patience_days: a requested training not judged after so many days is taken for lost; it is requested again.
            As many nights must have passed, and as many days by the clock: after three weeks without the platform all
            the nights pass in an hour, and the training that the first of them requested is still running.
    """

    patience_days: int
    name: str = "single flight"
    concerns: frozenset[Role] = EVERYBODY

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds while a training may still run."""
        for attempt in measured.attempts:
            nights = measured.since(attempt.as_of)
            waited = nights if attempt.waited_days is None else min(nights, attempt.waited_days // measured.unit.days)
            if attempt.ended is Ended.RUNNING and waited < self.patience_days:
                return f"the training requested on {attempt.as_of} is not judged yet"
        return None


@dataclass(frozen=True)
class CoolDown:
    """Some days of rest between two trainings; ones that failed before the gate do not count."""

    days: int
    name: str = "cool-down"
    concerns: frozenset[Role] = MACHINES

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds during the days after a training."""
        judged = [a.as_of for a in measured.attempts if a.ended in (Ended.PROMOTED, Ended.REJECTED)]
        if measured.champion_as_of is not None:
            judged.append(measured.champion_as_of)
        if not judged:
            return None
        passed = measured.since(max(judged))
        if passed < 0:
            return f"the last training knew the days until {max(judged)} already"
        return (
            f"the last training was {passed} of {self.days} cool-down {measured.unit}s ago"
            if passed < self.days
            else None
        )


@dataclass(frozen=True)
class BackOff:
    """After trainings in a row that changed nothing, the wait doubles each time.

    A single rejected challenger waits no longer than the cool-down: a week may have been too restless to judge on, and
    the next one tells.

    Attributes:
        rejected_days: the wait after a rejected challenger (the cool-down); doubled for each further one in a row.
        failed_days: the wait after a training that failed; doubled for each further one.
        maximum_days: the longest wait.
    """

    rejected_days: int
    failed_days: int
    maximum_days: int
    name: str = "back-off"
    concerns: frozenset[Role] = MACHINES

    def holds(self, measured: TriggerMeasurement) -> str | None:
        """Holds until the wait is over."""
        vain = list(takewhile(lambda a: a.ended is not Ended.PROMOTED, reversed(measured.attempts)))
        if not vain:
            return None
        wait, last = self._wait(vain), vain[0]
        passed = measured.since(last.as_of)
        if passed >= wait:
            return None
        word = "the last challenger was rejected" if last.ended is Ended.REJECTED else "the last training failed"
        if len(vain) > 1:
            word = f"the last {len(vain)} trainings changed nothing"
        return f"{word}: {max(passed, 0)} of {wait} {measured.unit}s of back-off have passed"

    def _wait(self, vain: list[Attempt]) -> int:
        rejected = vain[0].ended is Ended.REJECTED
        first = self.rejected_days if rejected else self.failed_days
        days = first << min(len(vain) - 1, 10)  # more doublings are beyond any maximum
        return min(days, self.maximum_days)
