"""Tails of distributions and corrections for many tests, compared with SciPy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tidewheel.policies.significance import (
    binomial_upper_tail,
    correct,
    kolmogorov_smirnov_distance,
    kolmogorov_smirnov_limit,
    normal_equivalent,
    student_quantile,
    student_upper_tail,
)


@pytest.mark.parametrize("method", ["holm", "benjamini_hochberg"])
def test_corrections_are_those_of_statsmodels(method: str) -> None:
    drawn = np.random.default_rng(3).beta(0.3, 1, size=40)
    ours = correct({str(n): p for n, p in enumerate(drawn)}, method)  # type: ignore[arg-type]
    theirs = multipletests(drawn, method={"holm": "holm", "benjamini_hochberg": "fdr_bh"}[method])[1]
    assert [ours[str(n)] for n in range(40)] == pytest.approx(theirs)


@pytest.mark.parametrize("freedom", [4, 10, 27])
@pytest.mark.parametrize("t", [-2.0, 0.5, 3.0, 5.0])
def test_the_normal_approximation_of_students_t_is_close(freedom: int, t: float) -> None:
    assert student_upper_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=0.15)
    assert student_quantile(1 - student_upper_tail(t, freedom), freedom) == pytest.approx(t)


def test_a_normal_equivalent_lies_closer_to_zero_and_keeps_the_sign() -> None:
    assert normal_equivalent(4.0, 4) == pytest.approx(stats.norm.isf(stats.t.sf(4.0, 4)), rel=0.02)
    assert normal_equivalent(-4.0, 4) == -normal_equivalent(4.0, 4)
    assert normal_equivalent(4.0, 1e9) == pytest.approx(4.0)
    assert normal_equivalent(-math.inf, 4) == -math.inf
    assert math.isnan(normal_equivalent(math.nan, 4))


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.001, 0.5))
def test_the_binomial_tail_is_scipys(count: int, more: int, share: float) -> None:
    of = count + more
    right = stats.binom.sf(count - 1, of, share)
    expected = 1.0 if count <= of * share else pytest.approx(right, rel=1e-6, abs=1e-250)
    assert binomial_upper_tail(count, of, share) == expected


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=4, max_size=30),
    st.lists(st.floats(0, 1), min_size=4, max_size=30),
)
def test_the_distance_of_scores_is_scipys(first: list[float], second: list[float]) -> None:
    right = stats.ks_2samp(first, second, method="asymp").statistic
    assert math.isclose(kolmogorov_smirnov_distance(first, second), right, abs_tol=1e-9)


def test_the_limit_of_the_distance_is_that_of_scipys_asymptotic_test() -> None:
    assert stats.kstwobign.sf(kolmogorov_smirnov_limit(500, 300, 0.99) * math.sqrt(500 * 300 / 800)) == pytest.approx(
        0.01, rel=0.01
    )
