"""The best constant, and what a model saves of its loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from jobs.models.constant import constant_figure, log_loss_saved
from tests.jobs.models.small_tasks import pipeline_of

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, 500).astype(float)
SAID = np.clip(0.5 + 0.2 * (TRUTH - 0.5) + RNG.normal(0, 0.1, 500), 0.01, 0.99)
WEIGHTS = RNG.integers(0, 4, 500).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_what_is_saved_of_the_log_loss_is_what_scikit_learn_says(weights: np.ndarray | None) -> None:
    expected = metrics.d2_log_loss_score(TRUTH, SAID, sample_weight=weights)
    assert log_loss_saved(TRUTH, SAID, weights) == pytest.approx(expected)


def test_the_share_of_positives_saves_nothing_and_noise_less() -> None:
    assert log_loss_saved(TRUTH, np.full_like(TRUTH, TRUTH.mean())) == pytest.approx(0)
    assert log_loss_saved(TRUTH, RNG.uniform(0.1, 0.9, 500)) < 0


def test_where_all_rows_that_count_are_the_same_nothing_can_be_saved() -> None:
    assert math.isnan(log_loss_saved(np.ones(9), np.full(9, 0.8)))
    assert math.isnan(log_loss_saved(np.array([0.0, 1.0]), np.array([0.2, 0.8]), np.array([0.0, 1.0])))


@pytest.mark.parametrize(
    ("task", "metric", "expected"),
    [
        ("classification", "log_loss", metrics.log_loss(TRUTH, np.full_like(TRUTH, TRUTH.mean()))),
        ("classification", "brier", TRUTH.mean() * (1 - TRUTH.mean())),
        ("classification", "roc_auc", 0.5),
        ("squared_error", "rmse", TRUTH.std()),
        ("squared_error", "mae", 2 * TRUTH.mean() * (1 - TRUTH.mean())),
        ("poisson", None, metrics.mean_poisson_deviance(TRUTH, np.full_like(TRUTH, TRUTH.mean()))),
        ("quantile", None, metrics.mean_pinball_loss(TRUTH, np.full_like(TRUTH, np.quantile(TRUTH, 0.8)), alpha=0.8)),
    ],
)
def test_the_constant_has_the_figure_that_the_gate_compares(task: str, metric: str | None, expected: float) -> None:
    pipeline = pipeline_of(task)
    judged = pipeline.model_copy(update={"gate": pipeline.gate.model_copy(update={"metric": metric})})
    assert constant_figure(TRUTH, SAID, judged) == pytest.approx(expected)
    assert math.isnan(constant_figure(np.empty(0), np.empty(0), judged))
    assert math.isnan(constant_figure(TRUTH, SAID, judged, np.zeros_like(TRUTH)))


def test_of_several_classes_the_constant_is_the_share_of_each() -> None:
    truth = np.array([0.0, 0.0, 1.0, 2.0])
    expected = -np.mean(np.log([0.5, 0.5, 0.25, 0.25]))
    assert constant_figure(truth, np.full((4, 3), 1 / 3), pipeline_of("multiclass")) == pytest.approx(expected)
