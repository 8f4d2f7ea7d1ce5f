"""Every figure that predictions have, and what it is where it cannot be computed."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from jobs.evaluation.comparison import ScoredRows, drawn_days, figure_interval
from jobs.evaluation.drawn_figures import DayDraws, drawn_figure
from jobs.models.figures import further_figures
from tidewheel.spec.decision import Costs, Decision

DECISION = Decision(threshold=0.4, costs=Costs(false_positive=1, false_negative=5, true_positive=-2))
UNSURE = {"d2", "pr_auc", "precision", "recall", "f1"}


def rows(count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    chance = np.round(rng.beta(1, 3, count), 3)  # some are equal
    return (rng.random(count) < chance).astype(float), chance


def test_decisions_are_made_at_the_threshold_and_cost_what_is_declared() -> None:
    truth, said = rows()
    chosen = said >= 0.4
    found = further_figures(truth, said, "classification", DECISION)
    assert found["precision"] == pytest.approx(metrics.precision_score(truth, chosen))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth, chosen))
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, chosen))
    assert found["accuracy"] == pytest.approx((truth == chosen).mean())
    assert found["pr_auc"] == pytest.approx(metrics.average_precision_score(truth, said))
    late = truth == 1
    cost = 1 * (chosen & ~late).sum() + 5 * (~chosen & late).sum() - 2 * (chosen & late).sum()
    assert found["expected_cost"] == pytest.approx(cost / len(truth))


@pytest.mark.parametrize(
    ("truth", "said", "unknown"),
    [
        ([0, 0, 0], [0.1, 0.9, 0.2], {"d2", "pr_auc", "recall"}),
        ([1, 1, 1], [0.1, 0.9, 0.2], {"d2", "pr_auc"}),
        ([0, 1, 0], [0.1, 0.1, 0.2], {"precision"}),
        ([0, 0], [0.1, 0.2], UNSURE),
        ([1, 0], [math.nan, 0.2], UNSURE | {"accuracy", "expected_cost"}),
        ([1, 0], [math.inf, 0.2], UNSURE | {"accuracy", "expected_cost"}),
        ([], [], UNSURE | {"accuracy", "expected_cost"}),
    ],
)
def test_what_cannot_be_computed_is_unknown_and_warns_nobody(
    truth: list[float], said: list[float], unknown: set[str]
) -> None:
    found = further_figures(np.array(truth, float), np.array(said, float), "classification", DECISION)
    assert {name for name, value in found.items() if math.isnan(value)} == unknown


def test_without_costs_there_is_no_expected_cost() -> None:
    assert "expected_cost" not in further_figures(*rows(), "classification", Decision())


@pytest.mark.parametrize(
    ("truth", "said", "mape"),
    [
        ([100.0, 50.0], [110.0, 40.0], 0.15),
        ([0.0, 50.0], [3.0, 40.0], 0.2),  # of nothing, an error is no share
        ([0.0, 0.0], [3.0, 4.0], math.nan),
        ([5e-324, 10.0], [1.0, 11.0], 0.1),
        ([], [], math.nan),
        ([1.0], [math.nan], math.nan),
    ],
)
def test_mape_is_of_the_rows_whose_label_is_not_zero(truth: list[float], said: list[float], mape: float) -> None:
    found = further_figures(np.array(truth), np.array(said), "regression", Decision())
    assert found == pytest.approx({"mape": mape}, nan_ok=True)


CLASSIFICATION = ["d2", "pr_auc", "accuracy", "precision", "recall", "f1", "expected_cost"]


@pytest.mark.parametrize("name", [*CLASSIFICATION, "mape", "r2"])
def test_a_draw_of_each_day_once_gives_the_figure_itself_and_the_interval_holds_it(name: str) -> None:
    truth, said = rows()
    if name not in CLASSIFICATION:
        truth, said = 50 + 10 * truth, 50 + 10 * said
    days = pd.Series([str(n % 8) for n in range(len(truth))])
    drawn = drawn_figure(name, ScoredRows(truth, said, days), drawn_days(days, 0), DECISION)
    task = "classification" if name in CLASSIFICATION else "regression"
    figures = further_figures(truth, said, task, DECISION) | {"r2": metrics.r2_score(truth, said)}  # type: ignore[arg-type]
    assert drawn[0] == pytest.approx(figures[name], abs=1e-3 if name == "pr_auc" else 1e-9)
    low, high = figure_interval(name, ScoredRows(truth, said, days), confidence=0.9, seed=0, decision=DECISION)
    assert low < figures[name] < high


def test_what_no_constant_can_get_wrong_has_no_interval_either() -> None:
    days = pd.Series([str(n % 8) for n in range(80)])
    rows = ScoredRows(np.ones(80), np.linspace(0.5, 0.9, 80), days)
    assert figure_interval("d2", rows, confidence=0.9, seed=0) == pytest.approx((math.nan, math.nan), nan_ok=True)


def test_a_draw_under_which_a_figure_is_undefined_is_unknown() -> None:
    truth, said = np.array([1.0, 0.0]), np.array([0.9, 0.1])
    draws = DayDraws(np.array([0, 1]), np.array([[1.0, 1.0], [0.0, 2.0]]))
    drawn = drawn_figure("recall", ScoredRows(truth, said, pd.Series(["0", "1"])), draws, DECISION)
    assert drawn == pytest.approx([1.0, math.nan], nan_ok=True)
