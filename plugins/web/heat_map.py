"""Drift as a heat map: the most restless columns by days, each cell a distance against its limit."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.web.pipeline_rows import DRIFT, DRIFT_LIMIT, PREDICTION_DRIFT, PREDICTION_LIMIT
from tidewheel.partitions import DAY, Partitioning
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from plugins.web.fleet_rows import NewestFigure

STEPS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.5)
"""Ends of the levels, as shares of the limit; beyond 1 the column counts as far from its past."""
BEYOND = STEPS.index(1.0) + 1
"""The first level that is beyond the limit."""
PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Cell:
    """One column on one day.

    Attributes:
        level: 0 (quiet) to `len(STEPS)`; None where nothing was measured.
        words: distance and limit.
    """

    level: int | None = None
    words: str = "not measured"


@dataclass(frozen=True)
class HeatRow:
    """One column over the days."""

    column: str
    cells: Sequence[Cell]

    @property
    def beyond(self) -> int:
        """Days beyond the limit."""
        return sum(cell.level is not None and cell.level >= BEYOND for cell in self.cells)


@dataclass(frozen=True)
class HeatMap:
    """The whole map.

    Attributes:
        days: oldest first.
        rows: the predictions, then the most restless column first.
        left_out: quieter columns that are not shown.
        reports: days that have a report with both distributions.
        unit: what a partition holds.
    """

    days: Sequence[str] = ()
    rows: Sequence[HeatRow] = ()
    left_out: int = 0
    reports: Collection[str] = ()
    unit: Partitioning = DAY

    def summary(self) -> str:
        """The map in a sentence, for those who do not see it."""
        beyond = [f"{row.column} on {row.beyond}" for row in self.rows if row.beyond]
        if not self.rows:
            return "Drift has not been measured yet."
        said = f"{self.unit}s beyond the limit: {', '.join(beyond[:8])}" if beyond else "no column was beyond its limit"
        columns, days = quantity(len(self.rows), "column"), quantity(len(self.days), self.unit)
        return f"Drift of {columns} on {days} up to {self.days[-1]}; {said}."


def heat_map(
    figures: Iterable[NewestFigure],
    restless: Sequence[str],
    columns: int,
    reports: Collection[str] = (),
    unit: Partitioning = DAY,
) -> HeatMap:
    """Arrange the figures.

    Args:
        figures: distances and limits of these columns and of the predictions, in any order.
        restless: columns, the most restless first.
        columns: how many columns drift is measured of.
        reports: days that have a report.
        unit: what a partition holds.
    """
    measured: dict[tuple[str, str], dict[str, float]] = {}
    for figure in figures:  # those of the predictions have no slice
        measured.setdefault((figure.slice, figure.partition), {})[figure.name] = figure.value
    days = sorted({day for _, day in measured})
    names = [*([""] if any(not column for column, _ in measured) else []), *restless]
    rows = [
        HeatRow(column or PREDICTIONS, [_cell(measured.get((column, day), {})) for day in days]) for column in names
    ]
    return HeatMap(days, rows, max(columns - len(restless), 0), frozenset(reports) & set(days), unit)


def _cell(figures: dict[str, float]) -> Cell:
    value = figures.get(DRIFT, figures.get(PREDICTION_DRIFT))
    limit = figures.get(DRIFT_LIMIT, figures.get(PREDICTION_LIMIT))
    if value is None:
        return Cell()
    if limit is None or limit <= 0 or not math.isfinite(value):
        return Cell(0, f"{value:.3g}, no limit")
    share = value / limit
    return Cell(sum(share > step for step in STEPS), f"{value:.3g} of {limit:.3g}")
