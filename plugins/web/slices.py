"""Slices of the rows, and the gaps between groups, over the newest days with labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from plugins.web.figures import TITLES
from plugins.web.sparkline import Sparkline, sparkline

if TYPE_CHECKING:
    from plugins.web.fleet_rows import NewestFigure

ROWS, BIAS, GAP = "rows", "bias", "gap_"
LOW, HIGH = "_low", "_high"
"""Ends of a gap's interval, as monitoring names them."""
RATES = ("selection_rate", "recall", "false_positive_rate", "false_negative_rate")
"""Of decisions, compared between groups: demographic parity, equal opportunity, and both of equalized odds."""
NO_LIMITS: Mapping[tuple[str, str], float] = MappingProxyType({})
REQUESTS = "requests"
MOST = 40


@dataclass(frozen=True)
class Slice:
    """Some of the rows.

    Attributes:
        name: `column=value`, or a column's name for the gaps between its groups.
        rows: labelled rows of all days.
        value: the metric, the mean of the days weighted by rows; NaN: unknown.
        bias: mean of label minus prediction; NaN: unknown.
        spark: the metric over the days.
    """

    name: str
    rows: float
    value: float
    bias: float
    spark: Sparkline


@dataclass(frozen=True)
class Gap:
    """How far the groups of a column are apart: highest minus lowest.

    Attributes:
        column: whose groups.
        figure: of what, for example `bias`.
        newest: of the newest day.
        mean: of all days.
        spark: over the days.
        interval: of the newest day, 95%; None where it is not known.
        limit: the most that the gate allows; None where none is declared.
    """

    column: str
    figure: str
    newest: float
    mean: float
    spark: Sparkline
    interval: tuple[float, float] | None = None
    limit: float | None = None

    @property
    def title(self) -> str:
        """The figure's name for a person."""
        return TITLES.get(self.figure, self.figure.replace("_", " "))

    @property
    def beyond(self) -> str:
        """Whether the newest gap exceeds its limit: `beyond`, `uncertain` where its interval has it, or empty."""
        if self.limit is None or not self.newest > self.limit:
            return ""
        return "uncertain" if self.interval and self.interval[0] <= self.limit else "beyond"


@dataclass(frozen=True)
class Slices:
    """What the ledger holds of parts of the rows.

    Attributes:
        slices: the worst first; at most `MOST`.
        left_out: how many more there are.
        requests: predictions that were made online; None where none was measured.
        gaps: by column and figure.
        days: the first and the last day; empty where there is none.
    """

    slices: Sequence[Slice] = ()
    left_out: int = 0
    requests: Slice | None = None
    gaps: Sequence[Gap] = ()
    days: Sequence[str] = ()


def slice_names(metric: str) -> list[str]:
    """Figures that `slices` reads."""
    compared = dict.fromkeys([metric, BIAS, "mean_prediction", *RATES])
    ends = ("", LOW, HIGH)
    return [metric, ROWS, BIAS, *(f"{GAP}{figure}{end}" for figure in compared for end in ends)]


def slices(
    metric: str,
    figures: Iterable[NewestFigure],
    *,
    lower_is_better: bool,
    limits: Mapping[tuple[str, str], float] = NO_LIMITS,
) -> Slices:
    """Put the figures of slices and groups together.

    Args:
        metric: the pipeline's figure.
        figures: those that `slice_names` lists, of the newest days, in any order.
        lower_is_better: which way the metric is better.
        limits: the largest gaps that are allowed, by groups and figure.
    """
    by_slice: defaultdict[str, defaultdict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    gaps: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    days = set()
    # of several versions that predicted a slice on a day, the one with most rows speaks for it
    for part in _largest(figures):
        days.add(part.day)
        for name, value in part.figures.items():
            if name.startswith(GAP):
                gaps[part.slice, name.removeprefix(GAP)][part.day] = value
            else:
                by_slice[part.slice][part.day][name] = value
    made = {name: _slice(name, metric, by_day) for name, by_day in by_slice.items() if name == REQUESTS or "=" in name}
    requests = made.pop(REQUESTS, None)
    sign = -1 if lower_is_better else 1
    ordered = sorted(made.values(), key=lambda one: (math.isnan(one.value), sign * one.value, one.name))
    return Slices(
        slices=ordered[:MOST],
        left_out=max(len(ordered) - MOST, 0),
        requests=requests,
        gaps=sorted(_gaps(gaps, limits), key=lambda gap: (gap.limit is None, gap.column, gap.figure)),
        days=sorted(days),
    )


@dataclass(frozen=True)
class _SliceOfDay:
    day: str
    slice: str
    figures: dict[str, float]


def _largest(figures: Iterable[NewestFigure]) -> list[_SliceOfDay]:
    parts: defaultdict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for figure in figures:
        parts[figure.partition, figure.slice, figure.version][figure.name] = figure.value
    largest: dict[tuple[str, str], dict[str, float]] = {}
    for (day, name, _), found in sorted(parts.items()):
        if found.get(ROWS, 0.0) >= largest.get((day, name), {}).get(ROWS, 0.0):
            largest[day, name] = found
    return [_SliceOfDay(day, name, found) for (day, name), found in largest.items()]


def _slice(name: str, metric: str, by_day: dict[str, dict[str, float]]) -> Slice:
    days = [by_day[day] for day in sorted(by_day)]
    values = [day.get(metric, math.nan) for day in days]
    rows = [day.get(ROWS, 0.0) for day in days]
    return Slice(
        name,
        sum(rows),
        _mean(values, rows),
        _mean([day.get(BIAS, math.nan) for day in days], rows),
        sparkline(values),
    )


def _gaps(
    figures: Mapping[tuple[str, str], dict[str, float]], limits: Mapping[tuple[str, str], float]
) -> Iterator[Gap]:
    for (column, figure), by_day in figures.items():
        if figure.endswith((LOW, HIGH)):
            continue
        values, newest = [by_day[day] for day in sorted(by_day)], max(by_day)
        low, high = (figures.get((column, f"{figure}{end}"), {}).get(newest, math.nan) for end in (LOW, HIGH))
        interval = (low, high) if math.isfinite(low) and math.isfinite(high) else None
        mean, limit = sum(values) / len(values), limits.get((column, figure))
        yield Gap(column, figure, values[-1], mean, sparkline(values), interval, limit)


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if math.isfinite(value) and weight]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else math.nan
