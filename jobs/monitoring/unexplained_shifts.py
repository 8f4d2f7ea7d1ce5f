"""Does a column still go with the others? What a day's mean has moved by beyond what the other columns explain.

A week of heat moves temperature, dew point and humidity together; a broken thermometer moves the temperature alone. So
each column is regressed on all the others, and the residual of the day's mean is looked at (Hawkins, "Multivariate
Quality Control Based on Regression-Adjusted Variables", Technometrics 33, 1991). The inverse of the covariance holds
all the regressions. It is that of rows *within* their days: between four weeks of days everything seems to explain
everything, and what is the same for all rows of a day explains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.monitoring.detectors import LEAST_SPREAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from jobs.monitoring.methods import DayComparison

RIDGE = 0.01
"""Share of a column's variance that the others never explain: two copies of one column must not divide by nothing."""

MOST_EXPLAINED = 2.0
"""Standard deviations of a column's mean beyond which it is broken, and explains no more of the others."""


def unexplained_shifts(
    days: Mapping[str, pd.DataFrame], columns: Sequence[str], comparisons: Sequence[DayComparison]
) -> dict[str, list[float]]:
    """How far each column's mean has moved beyond what the others explain.

    Args:
        days: some rows of each day.
        columns: numeric ones.
        comparisons: which days are held against which.

    Returns:
        By column, one shift a comparison, without a sign, in standard deviations of the reference's rows; NaN where
        the column has no values on one of the sides.
    """
    moments = {day: _DayMoments.of(rows, columns) for day, rows in days.items()}
    found = [
        _shifts([moments[d] for d in one.current if d in moments], [moments[d] for d in one.reference if d in moments])
        for one in comparisons
    ]
    return {name: [float(shift[n]) if len(shift) else np.nan for shift in found] for n, name in enumerate(columns)}


@dataclass(frozen=True)
class _DayMoments:
    """The summary of a day: known values and their mean by column, and the sums of products around that mean."""

    rows: int
    known: NDArray[np.float64]
    means: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pd.DataFrame, columns: Sequence[str]) -> _DayMoments:
        values = rows.reindex(columns=list(columns)).to_numpy(dtype="float64")
        there = np.isfinite(values)
        known = there.sum(axis=0).astype(np.float64)
        means = np.where(there, values, 0.0).sum(axis=0) / np.maximum(known, 1)
        apart = np.where(there, values - means, 0.0)
        return cls(len(values), known, means, apart.T @ apart)


def _shifts(current: Sequence[_DayMoments], reference: Sequence[_DayMoments]) -> NDArray[np.float64]:
    if not current or not reference:
        return np.empty(0)
    now, _ = _mean(current)
    usual, known = _mean(reference)
    within = sum(day.products for day in reference) / sum(day.rows for day in reference)
    between = sum(day.known * np.where(day.known > 0, day.means - usual, 0.0) ** 2 for day in reference) / known
    spread = np.maximum(np.sqrt(np.diag(within) + between), LEAST_SPREAD)
    spread = np.where(np.isfinite(spread), spread, 1.0)
    inverse = np.linalg.inv(within / np.outer(spread, spread) + RIDGE * np.eye(len(spread)))
    moved = (now - usual) / spread
    explaining = np.clip(np.nan_to_num(moved), -MOST_EXPLAINED, MOST_EXPLAINED)
    shifts = inverse @ explaining / np.diag(inverse) + (moved - explaining)
    return np.asarray(np.abs(shifts), dtype=np.float64)


def _mean(days: Sequence[_DayMoments]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over several days, NaN without values, and how many values they are of."""
    known = sum((day.known for day in days), np.zeros_like(days[0].known))
    known = np.where(known > 0, known, np.nan)
    return sum((day.known * day.means for day in days), np.zeros_like(known)) / known, known
