"""Since when predictions have turned out otherwise than before: where the days of a loss divide best in two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from statistics import fmean

from tidewheel.partitions import DAY, Partitioning
from tidewheel.policies.trigger.quality import DayQuality, losses_beyond_expectation

LOOK_BACK_DAYS = 42
LEAST_BEFORE, LEAST_SINCE = 5, 2
"""Days on either side of a change."""
LEAST_T = 4.0
"""Standard errors between the two sides; the best of many divisions is looked for, so it is more than for one."""


def changed_since(quality: Sequence[DayQuality], unit: Partitioning = DAY) -> date | None:
    """The first day of a higher loss; None where no division of the days shows one.

    Args:
        quality: days of whichever versions predicted them, in any order. Where all of them have an expectation, the
            loss beyond it is looked at, else the loss.
        unit: what a partition holds; a block of the test is a partition.

    Returns:
        The day after the division of the newest days whose two sides differ most, in standard errors (the maximal
        two-sample statistic of Hawkins, Journal of the American Statistical Association 72, 1977), if the later side
        loses more.
    """
    days = sorted({q.day: q for q in quality}.values(), key=lambda q: q.day)
    if not days:
        return None
    days = [q for q in days if q.day > unit.before(days[-1].day, LOOK_BACK_DAYS)]
    first = divided_at(losses_beyond_expectation(days), rising=True)
    return days[first].day if first else None


def divided_at(values: Sequence[float], *, rising: bool = False) -> int | None:
    """Where values divide best in two levels.

    Args:
        values: of days, oldest first.
        rising: only a higher level counts as one.

    Returns:
        The index of the first value of the later side, by the maximal two-sample statistic of Hawkins (Journal of the
        American Statistical Association 72, 1977); None where no division shows two levels.
    """
    best, at = LEAST_T, None
    for first in range(LEAST_BEFORE, len(values) - LEAST_SINCE + 1):
        t = _t(values[:first], values[first:])
        if (size := t if rising else abs(t)) >= best:
            best, at = size, first
    return at


def _t(before: Sequence[float], after: Sequence[float]) -> float:
    means = fmean(before), fmean(after)
    squares = sum((value - means[0]) ** 2 for value in before) + sum((value - means[1]) ** 2 for value in after)
    count = len(before) + len(after)
    error = math.sqrt(squares / (count - 2) * (1 / len(before) + 1 / len(after)))
    return (means[1] - means[0]) / error if error > 0 else 0.0
