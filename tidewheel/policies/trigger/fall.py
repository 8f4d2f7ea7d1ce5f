"""The reason to train that waits for no rest and no budget: the champion has fallen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev

from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.quality import Mean, losses_beyond_expectation
from tidewheel.policies.trigger.reasons import Seen


@dataclass(frozen=True)
class Fall:
    """Something is badly wrong: the newest days of the champion lie far beyond all that days have differed by before.

    Attributes:
        loss: what the loss is called.
        days: newest days that must all lie beyond.
        minimum_excess: smallest rise above the days before, as a share of their loss.
        t: standard errors that each of them must lie beyond the days before, as if these were many.
        window_days: days before that they are held against, by whichever version.
        minimum_days: with fewer of those nothing is said.
    """

    loss: str
    days: int = 3
    minimum_excess: float = 0.2
    t: float = 5.0
    window_days: int = 28
    minimum_days: int = 7
    name: str = "fall"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when each of the newest days is beyond; silent otherwise."""
        newest = measured.champion_days(self.days)
        if len(newest) < self.days:
            return None
        first = newest[0].day
        before = [q for q in measured.quality if measured.unit.before(first, self.window_days) <= q.day < first]
        if len(before) < self.minimum_days:
            return None
        losses = losses_beyond_expectation([*before, *newest])
        excess = losses[: len(before)]
        usual, level = fmean(excess), fmean(q.loss for q in before)
        error = stdev(excess) * math.sqrt(1 + 1 / len(excess))
        rises = [loss - usual for loss in losses[len(before) :]]
        sure = min(Mean(rise, error, len(excess)).surety for rise in rises)
        if min(rises) < self.minimum_excess * level or sure < self.t:
            return None
        share = f"{min(rises) / level:.0%}" if level > 0 else f"{min(rises):.3g}"
        words = (
            f"{self.loss} rose by at least {share} on each of the last {measured.periods(self.days)}, compared with "
            f"the {measured.periods(len(before))} before"
        )
        return Seen(True, f"something is badly wrong ({words})")
