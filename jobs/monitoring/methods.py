"""Methods that compare two samples of a column, by the names that Evidently gives them.

Whatever the method, more drift is a larger number, and the share of missing values counts: of a test the score is the
negative decimal logarithm of its p-value, and missing values are tested beside it; of a distance it is the distance,
and the change in their share is added. An infinite number counts as missing. Where Evidently's own would answer
otherwise, or not at all, the method stands here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

TESTS = frozenset({"ks", "anderson", "cramer_von_mises", "es", "mannw", "t_test", "chisquare", "g_test"})
"""Methods whose score is a p-value."""
SMALLEST_P = 1e-300
MOST_ROWS = 5_000
"""Rows of a reference that a method sees."""
MISSING = "\0missing"
"""Counted among a column's categories, none of which is called so."""
PRECISE_P = 1e-6
"""SciPy's p-value of Cramér and von Mises has some ten digits after the point: below this it is extrapolated."""


@dataclass(frozen=True)
class DayComparison:
    """Which days are compared with which.

    Attributes:
        current: days in question.
        reference: days they are compared with.
    """

    current: tuple[str, ...]
    reference: tuple[str, ...]


@dataclass(frozen=True)
class NamedMethod:
    """A method by its name."""

    name: str
    kind: Literal["num", "cat"]

    def distances(self, days: Mapping[str, pd.Series], comparisons: Sequence[DayComparison]) -> list[float]:
        """One distance a comparison, NaN where a side has no rows or the method is not defined for these values.

        Raises:
            ValueError: it is not defined for the newest comparison; the message says why.
        """
        values = []
        for comparison in comparisons:
            try:
                values.append(self._distance(days, comparison))
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
                if comparison is comparisons[-1]:
                    raise ValueError(f"{self.name} is not defined for these values: {error}") from error
                values.append(np.nan)
        return values

    def _distance(self, days: Mapping[str, pd.Series], comparison: DayComparison) -> float:
        current, reference = (_rows(days, side) for side in (comparison.current, comparison.reference))
        if current.empty or reference.empty:
            return np.nan
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of libraries about themselves, and of constant columns
            if self.kind == "cat":
                return self._of_categories(current, reference)
            return self._of_numbers(*(side.to_numpy("float64") for side in (current, reference)))

    def _of_numbers(self, current: Numbers, reference: Numbers) -> float:
        known, usual = (side[np.isfinite(side)] for side in (current, reference))
        counts = np.array([[len(known), len(current) - len(known)], [len(usual), len(reference) - len(usual)]])
        gap = abs(len(known) / len(current) - len(usual) / len(reference))
        missing = _homogeneity(counts) if self.name in TESTS else gap
        if not len(known) or not len(usual):
            return missing
        if np.unique(np.concatenate([known, usual])).size == 1:
            return missing
        score = OWN_NUMERIC[self.name](known, usual) if self.name in OWN_NUMERIC else self._evidently(known, usual)
        if math.isnan(score):
            raise ValueError(f"it gives no number for {len(known)} rows against {len(usual)}")
        if self.name in TESTS:
            return max(score, missing)
        return score + missing

    def _of_categories(self, current: pd.Series, reference: pd.Series) -> float:
        sides = [side.astype(object).where(side.notna(), MISSING).astype(str) for side in (current, reference)]
        if self.name not in OWN_CATEGORICAL:
            return self._evidently(*sides)
        counts = pd.DataFrame([side.value_counts() for side in sides]).fillna(0.0).to_numpy()
        return OWN_CATEGORICAL[self.name](counts)

    def _evidently(self, current: Any, reference: Any) -> float:
        from evidently.legacy.calculations.stattests.registry import get_registered_stattest
        from evidently.legacy.core import ColumnType

        kind = ColumnType(self.kind)
        method = get_registered_stattest(self.name, kind)
        score = float(method(pd.Series(reference), pd.Series(current), kind, None).drift_score)
        return surprise(score) if self.name in TESTS else score


def surprise(p: float) -> float:
    """A p-value as a number that grows with drift."""
    return -math.log10(max(p, SMALLEST_P)) + 0.0  # and no negative zero


def _homogeneity(counts: Numbers, statistic: str = "pearson") -> float:
    """Whether two rows of counts may come from the same shares.

    Both sides are samples: a category that the reference lacks is one that it has not shown yet, and no certainty.
    """
    there = counts[:, counts.sum(axis=0) > 0]
    if there.shape[1] < 2:
        return 0.0
    return surprise(float(stats.chi2_contingency(there, correction=False, lambda_=statistic).pvalue))


def _total_variation(counts: Numbers) -> float:
    """Half the sum of what the shares differ by; to this name, Evidently answers the p-value of a thousand shuffles."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _t_test(current: Numbers, reference: Numbers) -> float:
    if min(len(current), len(reference)) < 2:
        return 0.0  # nothing can be shown by one row
    largest = max(np.abs(current).max(), np.abs(reference).max())  # squares of enormous numbers are infinite
    current, reference = current / largest, reference / largest
    if not current.std() + reference.std():
        return surprise(0.0)  # two constants, and not the same
    return surprise(float(stats.ttest_ind(reference, current, equal_var=False).pvalue))


def _anderson(current: Numbers, reference: Numbers) -> float:
    """SciPy's p-value lies between 0.001 and 0.25: beyond, all are reported as these."""
    return surprise(float(stats.anderson_ksamp([reference, current], variant="midrank").pvalue))


def _cramer_von_mises(current: Numbers, reference: Numbers) -> float:
    """Beyond SciPy's precision, the tail of the limiting distribution: its logarithm falls by pi²/2 a unit."""
    if len(current) < 2 or len(reference) < 2:
        return 0.0  # SciPy asks for two; nothing can be shown by one row
    test = stats.cramervonmises_2samp(reference, current, method="asymptotic")
    if test.pvalue > PRECISE_P:
        return surprise(float(test.pvalue))
    n, m = len(current), len(reference)
    total, product = n + m, n * m
    expected = (1 + 1 / total) / 6
    variance = (total + 1) * (4 * product * total - 3 * (n**2 + m**2) - 2 * product) / (45 * total**2 * 4 * product)
    standard = 1 / 6 + (float(test.statistic) - expected) / math.sqrt(45 * variance)
    return -math.log10(PRECISE_P) + max(0.0, standard - MILLIONTH) * math.pi**2 / (2 * math.log(10))


MILLIONTH = 2.5
"""Just below the value of Cramér's and von Mises's statistic that only one sample in a million exceeds."""


OWN_NUMERIC: Mapping[str, Callable[[Numbers, Numbers], float]] = {
    "t_test": _t_test,
    "anderson": _anderson,
    "cramer_von_mises": _cramer_von_mises,
}
OWN_CATEGORICAL: Mapping[str, Callable[[Numbers], float]] = {
    "TVD": _total_variation,
    "chisquare": _homogeneity,
    "g_test": lambda counts: _homogeneity(counts, "log-likelihood"),
}


def _rows(days: Mapping[str, pd.Series], chosen: Sequence[str]) -> pd.Series:
    series = [days[day] for day in chosen if day in days and len(days[day])]
    rows = pd.concat(series, ignore_index=True) if series else pd.Series(dtype=object)
    return rows.iloc[:: max(1, -(-len(rows) // MOST_ROWS))]
