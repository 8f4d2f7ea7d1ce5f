"""The trainings so far, as policies count them: how each ended, and what it can have gained at best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import takewhile


class Ended(StrEnum):
    """How a training ended."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    """By the gate or by a reviewer, or it could not be judged: the champion stayed."""
    FAILED = "failed"
    """Never came as far as the gate."""
    RUNNING = "running"
    """Requested, and not judged yet."""


@dataclass(frozen=True)
class Attempt:
    """One training, requested by a person or a policy.

    Attributes:
        as_of: the day (partition) whose knowledge it had: the requested one, or a later one that was there when
            it began.
        ended: what came of it.
        fits: models that were fitted.
        best_gain: how much better than the champion it can be at best, as a share of the champion's loss: the far end
            of the gate's interval. Below zero: it was worse at best. None: it was not compared.
        waited_days: of one that is not judged, whole days by the clock since it was requested; nights may pass quicker
            than days, when the platform catches up. None: as many as there were nights.
        cpu_seconds: that fitting and logging took; None: unknown.
    """

    as_of: date
    ended: Ended
    fits: int = 1
    best_gain: float | None = None
    waited_days: int | None = None
    cpu_seconds: float | None = None

    @property
    def running(self) -> bool:
        """Whether it was requested and is not judged yet."""
        return self.ended is Ended.RUNNING


def best_gain(difference: float, upper_bound: float, champion: float) -> float | None:
    """How much a challenger can save at best, as a share of the champion's figure; None: unknown.

    Args:
        difference: how much worse the challenger is, in the metric's unit.
        upper_bound: the near end of its interval; the gain is at the far end.
        champion: the champion's figure.
    """
    gain = (upper_bound - 2 * difference) / abs(champion) if champion else math.nan
    return None if math.isnan(gain) else gain


def undecided(attempts: Sequence[Attempt]) -> int:
    """How many challengers in a row, up to the newest, were refused though they may have been better.

    Args:
        attempts: oldest first.
    """
    judged = [attempt for attempt in attempts if attempt.ended in (Ended.PROMOTED, Ended.REJECTED)]
    refused = takewhile(lambda attempt: attempt.ended is Ended.REJECTED, reversed(judged))
    return len([*takewhile(lambda attempt: (attempt.best_gain or 0) > 0, refused)])
