"""How long routine trainings are put off after some that did not pay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tidewheel.partitions import Partitioning
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.measurement import TriggerMeasurement

MOST_DOUBLINGS = 60
"""More are beyond any maximum, and at last beyond any number."""


@dataclass(frozen=True)
class Patience:
    """How much longer to wait for a routine training, since the last challengers were shown not to pay.

    Each one in a row, newest first, that cannot have been much better than its champion doubles the wait. One that may
    have been ends the row, and so does one that was not compared: what is not known to be useless is not put off.
    One that came before the usual wait was over shows only what a part of it was worth, so its gain counts in
    proportion: an alarm a week after the last training says little about three weeks.

    Attributes:
        minimum_gain: share of the champion's loss that a training must be able to save.
        maximum: the wait is never longer than so many times the usual one.
        usual_days: partitions of the usual wait; None: not counted in time, and each gain counts as it is.
    """

    minimum_gain: float = 0.0
    maximum: float = 1.0
    usual_days: int | None = None

    def factor(self, measured: TriggerMeasurement) -> float:
        """How many times the usual wait."""
        return min(2.0 ** min(len(self._in_vain(measured)), MOST_DOUBLINGS), self.maximum)

    def words(self, measured: TriggerMeasurement) -> str:
        """Why the wait is longer than usual; empty where it is not."""
        if self.factor(measured) <= 1:
            return ""
        vain = self._in_vain(measured)
        best = max(attempt.best_gain or 0.0 for attempt in vain)
        which = "the last challenger was" if len(vain) == 1 else f"the last {len(vain)} challengers were"
        return f", {self.factor(measured):g} times the usual since {which} at best {max(best, 0):.1%} better"

    def _in_vain(self, measured: TriggerMeasurement) -> list[Attempt]:
        judged = [a for a in measured.attempts if a.ended in (Ended.PROMOTED, Ended.REJECTED)]
        champion: date | None = None
        vain: list[Attempt] = []
        for attempt in judged:
            if self._is_vain(measured.unit, attempt, champion):
                vain.append(attempt)
            else:
                vain.clear()
            champion = attempt.as_of if attempt.ended is Ended.PROMOTED else champion
        return vain

    def _is_vain(self, unit: Partitioning, attempt: Attempt, champion: date | None) -> bool:
        """Whether a challenger shows that a usual wait was not worth a training; its champion knew that day."""
        share = 1.0
        if champion is not None and self.usual_days is not None:
            share = min(unit.between(champion, attempt.as_of) / self.usual_days, 1.0)
        return attempt.best_gain is not None and attempt.best_gain < self.minimum_gain * share


USUAL = Patience()
