"""Every figure that monitoring measures of a day's rows: the newest value, and its course over sixty days."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.web.sparkline import Sparkline, sparkline
from tidewheel.partitions import DAY, Partitioning, keys_between
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.spec import LOWER_IS_BETTER

if TYPE_CHECKING:
    from plugins.web.fleet_rows import NewestFigure

DAYS = 60
ROWS = "rows"
NEITHER = {
    "selection_rate": "selection rate",
    "mean_prediction": "mean prediction",
    "positive_rate": "share of positive labels",
    "bias": "bias",
    "coverage": "coverage",
    "labelled_share": "share with labels",
}
"""Figures of which neither a lower nor a higher value is better as such."""
LOWER = {
    "calibration_error": "calibration error",
    "false_positive_rate": "false positive rate",
    "false_negative_rate": "false negative rate",
}
TITLES = NAMES | LOWER | NEITHER
"""Figures that are shown, in this order, each with its name for a person."""


@dataclass(frozen=True)
class Measured:
    """One figure of all rows, over the days.

    Attributes:
        name: as in the ledger.
        title: for a person.
        better: `lower` or `higher`; empty where neither is.
        day: the newest with this figure.
        newest: its value on that day.
        mean: of the days.
        spark: one value a calendar day.
    """

    name: str
    title: str
    better: str
    day: str
    newest: float
    mean: float
    spark: Sparkline


def measured(figures: Iterable[NewestFigure], unit: Partitioning = DAY) -> list[Measured]:
    """Put the figures of all rows (slice '') together, in the order of `TITLES`.

    Args:
        figures: those of `TITLES` and `rows`, of the newest days with labels, in any order. Of several versions that
            predicted a day the one with most rows speaks for it.
        unit: what a partition holds.
    """
    parts: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for figure in figures:
        if figure.version:
            parts[figure.partition, figure.version][figure.name] = figure.value
    by_day: dict[str, dict[str, float]] = {}
    for (day, _), values in sorted(parts.items()):
        if values.get(ROWS, 0.0) >= by_day.get(day, {}).get(ROWS, 0.0):
            by_day[day] = values
    days = keys_between(by_day, unit)
    made = (_measured(name, [(day, by_day.get(day, {}).get(name, math.nan)) for day in days]) for name in TITLES)
    return [one for one in made if one is not None]


def better(name: str) -> str:
    """Which way a figure is better: `lower`, `higher`, or neither."""
    if name in NEITHER:
        return ""
    return "lower" if name in LOWER or name in LOWER_IS_BETTER else "higher"


def _measured(name: str, values: Sequence[tuple[str, float]]) -> Measured | None:
    known = [(day, value) for day, value in values if math.isfinite(value)]
    if not known:
        return None
    (day, newest), mean = known[-1], sum(value for _, value in known) / len(known)
    return Measured(name, TITLES[name], better(name), day, newest, mean, sparkline([value for _, value in values]))
