"""Drift detectors by name: how far the rows of some days lie from the rows of other days, in one column.

Two are quick enough to be measured for every column over weeks of days, from a summary of each day; every other
method is in `jobs.monitoring.methods` and sees the rows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon

from jobs.monitoring.methods import MISSING, DayComparison, NamedMethod

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Kind = Literal["num", "cat"]
LEVELS = np.linspace(0.01, 0.99, 50)
LEAST_SPREAD = 0.001
"""As Evidently: a constant column's distances are measured in thousandths, not in nothing."""
NEARLY_ALWAYS = 0.8
"""Share of the days; the first days without a category must not hide the next."""
EXPECTED_OFTEN = 10
"""A category expected in at least ten rows of a day is missed by chance once in 20,000 days."""


class Detector(Protocol):
    """Measures one column."""

    def distances(self, days: Mapping[str, pd.Series], comparisons: Sequence[DayComparison]) -> list[float]:
        """One distance a comparison, NaN where a side has no rows."""
        ...


class Wasserstein:
    """Wasserstein distance in standard deviations of the reference, plus the change in the share of missing values.

    Read from 50 quantiles of each day, which is close to the distance between the rows and a hundred times quicker.
    """

    def distances(self, days: Mapping[str, pd.Series], comparisons: Sequence[DayComparison]) -> list[float]:
        """One distance a comparison."""
        daily = {day: _NumericDay.of(values.to_numpy(dtype="float64")) for day, values in days.items()}
        return [
            self._distance([daily[d] for d in c.current if d in daily], [daily[d] for d in c.reference if d in daily])
            for c in comparisons
        ]

    def _distance(self, current: list[_NumericDay], reference: list[_NumericDay]) -> float:
        rows, known = _totals(current)
        other_rows, other_known = _totals(reference)
        if not rows or not other_rows:
            return np.nan
        gap = abs(known / rows - other_known / other_rows)
        if not known or not other_known:
            return gap
        mean = sum(d.total for d in reference) / other_known
        spread = np.sqrt(max(sum(d.squares for d in reference) / other_known - mean * mean, 0.0))
        moved = float(np.abs(_quantiles(current) - _quantiles(reference)).mean())
        return float(moved / max(spread, LEAST_SPREAD) + gap)


class JensenShannon:
    """Jensen-Shannon distance of the shares of categories; a missing value is a category of its own."""

    def distances(self, days: Mapping[str, pd.Series], comparisons: Sequence[DayComparison]) -> list[float]:
        """One distance a comparison: 0 for the same shares, 0.83 for no category in common."""
        counts = category_counts(days)
        values = []
        for comparison in comparisons:
            current, reference = (_summed(counts, side) for side in (comparison.current, comparison.reference))
            ends = min(current.sum(), reference.sum()) if len(counts) else 0
            values.append(float(jensenshannon(current, reference)) if ends else np.nan)
        return values


def detector(name: str, kind: Kind) -> Detector:
    """The detector of a name, as `monitoring.drift` in a pipeline's file has it."""
    if (name, kind) == ("wasserstein", "num"):
        return Wasserstein()
    if (name, kind) == ("jensenshannon", "cat"):
        return JensenShannon()
    return NamedMethod(name, kind)


def gone_categories(counts: pd.DataFrame, comparison: DayComparison) -> list[str]:
    """Categories that were nearly always there, that should be there ten times and more, and are not.

    Args:
        counts: as `category_counts` makes them.
        comparison: which days are held against which.

    Returns:
        Their names.
    """
    reference = counts.reindex([day for day in comparison.reference if day in counts.index])
    current = _summed(counts, comparison.current)
    if reference.empty or not current.sum():
        return []
    always = (reference.to_numpy() > 0).mean(axis=0) >= NEARLY_ALWAYS
    expected = reference.to_numpy().sum(axis=0) / reference.to_numpy().sum() * current.sum()
    gone = always & (expected >= EXPECTED_OFTEN) & (current == 0)
    return [str(name) for name in counts.columns[gone] if name != MISSING]


def category_counts(days: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Rows by day and category; missing values are a category of their own."""
    texts = {day: values.astype(object).where(values.notna(), MISSING).astype(str) for day, values in days.items()}
    counted = {day: values.value_counts() for day, values in texts.items()}
    return pd.DataFrame(counted).T.fillna(0.0) if counted else pd.DataFrame()


@dataclass(frozen=True)
class _NumericDay:
    """The summary of a day's numbers."""

    rows: int
    known: int
    total: float
    squares: float
    quantiles: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> _NumericDay:
        known = values[np.isfinite(values)]
        quantiles = np.quantile(known, LEVELS) if len(known) else np.empty(0)
        return cls(len(values), len(known), float(known.sum()), float((known**2).sum()), quantiles)


def _totals(days: Sequence[_NumericDay]) -> tuple[int, int]:
    return sum(day.rows for day in days), sum(day.known for day in days)


def _quantiles(days: Sequence[_NumericDay]) -> NDArray[np.float64]:
    """Quantiles of several days together: each day's are points that stand for its rows."""
    having = [day for day in days if day.known]
    if len(having) == 1:
        return having[0].quantiles
    values = np.concatenate([day.quantiles for day in having])
    weights = np.repeat([day.known / len(LEVELS) for day in having], len(LEVELS))
    order = np.argsort(values, kind="stable")
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return cast("NDArray[np.float64]", np.interp(LEVELS * weights.sum(), middles, values[order]))


def _summed(counts: pd.DataFrame, days: Sequence[str]) -> NDArray[np.float64]:
    return np.asarray(counts.reindex([day for day in days if day in counts.index]).to_numpy().sum(axis=0))
