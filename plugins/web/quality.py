"""How good the predictions were, day by day and version by version, as the ledger's figures say it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from plugins.web.figures import TITLES, better
from tidewheel.partitions import DAY, Partitioning, day_of, day_or_none
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from plugins.web.fleet_rows import NewestFigure

POOLED, POOLED_ERROR = "pooled_excess_loss", "pooled_excess_loss_error"
ROWS = "rows"
TWO_SIDED_95 = 1.96


@dataclass(frozen=True)
class DayOfVersion:
    """The predictions of one version on one day.

    Attributes:
        day: YYYY-MM-DD.
        version: that predicted.
        value: the pipeline's metric.
        rows: labelled rows.
        excess: loss beyond what the version expected of itself, pooled over the trigger's window; NaN: unknown.
        excess_error: standard error of that; NaN: unknown.
    """

    day: str
    version: str
    value: float
    rows: float = 0.0
    excess: float = math.nan
    excess_error: float = math.nan

    @property
    def excess_interval(self) -> tuple[float, float] | None:
        """The 95% interval of the excess loss; None where it is unknown."""
        if not (math.isfinite(self.excess) and math.isfinite(self.excess_error)):
            return None
        wide = TWO_SIDED_95 * self.excess_error
        return self.excess - wide, self.excess + wide


@dataclass(frozen=True)
class Quality:
    """A pipeline's quality over time.

    Attributes:
        metric: name of the figure, as in the ledger.
        days: oldest first; of one day the version with most rows first.
        estimates: what is estimated for days whose labels are not known, by day.
        unit: what a partition holds.
    """

    metric: str
    days: Sequence[DayOfVersion] = ()
    estimates: Sequence[tuple[str, float]] = ()
    unit: Partitioning = DAY

    @property
    def title(self) -> str:
        """The metric's name for a person."""
        return TITLES.get(self.metric, self.metric)

    @property
    def lower_is_better(self) -> bool:
        """Which way is better."""
        return better(self.metric) == "lower"

    @cached_property
    def main(self) -> list[DayOfVersion]:
        """One entry a day, of the version that predicted most of it, oldest first."""
        first = {one.day: one for one in reversed(self.days)}
        return [first[day] for day in sorted(first)]

    @property
    def newest(self) -> DayOfVersion | None:
        """The newest day with labels; None where there is none."""
        main = self.main
        return main[-1] if main else None

    def last_days(self, count: int) -> list[float]:
        """The metric of so many partitions up to the newest with labels; NaN for one without any."""
        if (newest := self.newest) is None:
            return []
        by_day = {one.day: one.value for one in self.main}
        return [by_day.get(str(day), math.nan) for day in self.unit.newest(day_of(newest.day), count)]

    def summary(self) -> str:
        """The chart in a sentence, for those who do not see it."""
        main, newest = self.main, self.newest
        if newest is None:
            return f"No {self.unit} has labels yet, so nothing is known of the quality."
        month = [value for value in self.last_days(30) if not math.isnan(value)]
        best = (min if self.lower_is_better else max)(main, key=lambda one: one.value)
        worst = (max if self.lower_is_better else min)(main, key=lambda one: one.value)
        days, versions = quantity(len(main), self.unit), quantity(len({one.version for one in main}), "version")
        way = better(self.metric)
        ends = ("Best", "worst") if way else ("Highest", "lowest")
        return (
            f"{self.title}{f' ({way} is better)' if way else ''} of {newest.day}: {newest.value:.4g} by version "
            f"{newest.version}; mean of the last 30 {self.unit}s {sum(month) / len(month):.4g}. "
            f"{ends[0]} {best.value:.4g} on {best.day}, {ends[1]} {worst.value:.4g} on {worst.day}; "
            f"{days} and {versions}."
        )


def quality_names(metric: str) -> list[str]:
    """Figures that `quality` reads."""
    return [metric, ROWS, POOLED, POOLED_ERROR, f"estimated_{metric}"]


def quality(metric: str, figures: Iterable[NewestFigure], unit: Partitioning = DAY) -> Quality:
    """Put the figures of all rows (slice '') together.

    Args:
        metric: the pipeline's figure.
        figures: those that `quality_names` lists, in any order.
        unit: what a partition holds.
    """
    by_part: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for figure in figures:
        if not figure.slice and day_or_none(figure.partition):
            by_part[figure.partition, figure.version][figure.name] = figure.value
    days = [
        DayOfVersion(
            day,
            version,
            found[metric],
            found.get(ROWS, 0.0),
            found.get(POOLED, math.nan),
            found.get(POOLED_ERROR, math.nan),
        )
        for (day, version), found in by_part.items()
        if version and metric in found
    ]
    measured = {one.day for one in days}
    estimated = {
        day: found[f"estimated_{metric}"]
        for (day, _), found in sorted(by_part.items())
        if f"estimated_{metric}" in found and day not in measured
    }
    days.sort(key=lambda one: (one.day, -one.rows, one.version))
    return Quality(metric, days, sorted(estimated.items()), unit)
