"""The day-block bootstrap: what it must find, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from jobs.evaluation.comparison import PairedRows, loss_difference
from jobs.models.metrics import measure
from tidewheel.policies.gate.measurement import Comparison, GateMeasurement
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Outcome

METRICS = ["log_loss", "brier", "roc_auc", "rmse", "mae"]


def rows(seed: int, days: int = 7, each: int = 60) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """Labels, well calibrated predictions, and days."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.05, 0.95, days * each)
    truth = (rng.random(days * each) < chance).astype(float)
    return truth, chance, pd.Series(np.repeat([f"2024-01-{d + 1:02}" for d in range(days)], each))


def compare(metric: str, truth: np.ndarray, new: np.ndarray, old: np.ndarray, days: pd.Series) -> tuple[float, float]:
    return loss_difference(PairedRows(metric, truth, new, old, days), confidence=0.95, seed=0)


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_predictions_differ_by_nothing(metric: str) -> None:
    truth, chance, days = rows(0)
    assert compare(metric, truth, chance, chance, days) == (0.0, 0.0)


@pytest.mark.parametrize("metric", METRICS)
def test_a_spoiled_model_is_worse_with_confidence_and_a_better_one_is_not(metric: str) -> None:
    truth, chance, days = rows(1, each=300)
    spoiled = np.clip(1 - chance, 0.01, 0.99)
    difference, bound = compare(metric, truth, spoiled, chance, days)
    assert 0 < difference < bound
    difference, bound = compare(metric, truth, chance, spoiled, days)
    assert difference < bound < 0


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_does_not_matter(metric: str, seed: int) -> None:
    truth, chance, days = rows(seed)
    other = np.clip(chance + np.random.default_rng(seed).normal(0, 0.1, len(chance)), 0.01, 0.99)
    order = np.random.default_rng(seed).permutation(len(truth))
    shuffled = compare(metric, truth[order], other[order], chance[order], days.iloc[order].reset_index(drop=True))
    assert shuffled == pytest.approx(compare(metric, truth, other, chance, days), abs=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc"])
def test_the_difference_is_the_difference_of_the_figures(metric: str) -> None:
    truth, chance, days = rows(3)
    other = np.clip(chance * 0.8, 0.01, 0.99).round(1)  # with many ties
    sign = -1 if metric == "roc_auc" else 1
    figures = [measure(truth, p, "classification")[metric] for p in (other, chance)]
    assert compare(metric, truth, other, chance, days)[0] == pytest.approx(sign * (figures[0] - figures[1]))
    assert figures[0] == pytest.approx(roc_auc_score(truth, other)) or metric != "roc_auc"


def test_one_day_bounds_nothing() -> None:
    truth, chance, days = rows(4, days=1)
    assert np.isnan(compare("log_loss", truth, chance * 0.9, chance, days)[1])


@pytest.mark.parametrize("luck_of_days", [0.0, 0.04])
def test_the_gate_passes_what_is_equally_good_and_hardly_ever_what_is_worse_by_the_margin(luck_of_days: float) -> None:
    """Errors are drawn, so that the truth is known: 200 weeks of each, under the gate of a file that says nothing."""
    rng = np.random.default_rng(6)
    gate = GatePolicy("mae", lower_is_better=True)
    days = pd.Series(np.repeat([f"d{n}" for n in range(7)], 300))

    def passes(worse: float) -> bool:
        old = rng.exponential(size=(7, 300))
        new = old * (1 + worse + luck_of_days * rng.normal(size=(7, 1)))
        difference, bound = loss_difference(
            PairedRows("mae", np.zeros(2100), new.ravel(), old.ravel(), days), confidence=gate.confidence, seed=0
        )
        measured = GateMeasurement(
            "2", {"mae": new.mean()}, 2100, 7, Comparison("1", {"mae": old.mean()}, difference, bound)
        )
        return gate.decide(measured).outcome is Outcome.PASSED

    assert sum(passes(0.0) for _ in range(200)) >= 0.9 * 200
    assert sum(passes(gate.margin) for _ in range(200)) <= 0.05 * 200


def test_the_bound_covers_the_truth_as_often_as_it_says_with_few_days_that_differ() -> None:
    """Both models are equally good; each day favours one of them by chance. Over 400 weeks, about 5% may be missed."""
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(400):
        days = pd.Series(np.repeat([f"d{n}" for n in range(7)], 20))
        favour = np.repeat(rng.normal(0, 1, 7), 20)
        new, old = favour + rng.normal(0, 1, 140), rng.normal(0, 1, 140)
        truth = np.zeros(140)
        bound = compare("mae", truth, np.abs(new + 10), np.abs(old + 10), days)[1]
        missed += bound < 0
    assert missed <= 0.08 * 400
