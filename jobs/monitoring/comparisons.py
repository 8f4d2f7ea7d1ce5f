"""Which days a night compares with which: the newest ones, which are the checks, and the history before them."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.monitoring.methods import DayComparison
from tidewheel.partitions import DAY, Partitioning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.spec.monitoring import DriftSettings

WEEK, YEAR, AROUND = 7, 365, 14


def planned_comparisons(settings: DriftSettings, day: date, unit: Partitioning = DAY) -> list[DayComparison]:
    """What is held against what, for the checks and the history before them, oldest first; `day` is the last."""
    count = settings.history_days + settings.checks
    return [_comparison(settings, one, unit) for one in unit.newest(day, count)]


def _comparison(settings: DriftSettings, day: date, unit: Partitioning) -> DayComparison:
    current = unit.newest(day, settings.block_days)
    end = unit.before(current[0], settings.checks - 1)
    if settings.season == "week":
        weeks = range(1, 1 + math.ceil(2 * settings.reference_days / WEEK))
        before = [one - timedelta(days=WEEK * n) for one in current for n in weeks]
    else:
        before = unit.newest(unit.before(end), settings.reference_days)
    if settings.season == "year":
        before += [unit.holding(day - timedelta(days=YEAR + n)) for n in range(-AROUND, AROUND + 1)]
    return DayComparison(tuple(map(str, current)), tuple(str(one) for one in sorted(set(before)) if one < end))


def days_of(comparisons: Sequence[DayComparison]) -> list[str]:
    """All days that are compared, in order."""
    return sorted({key for comparison in comparisons for key in (*comparison.current, *comparison.reference)})
