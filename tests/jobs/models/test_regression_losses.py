"""Poisson deviance, pinball loss, and what they are held against: the best constant."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from jobs.models.metrics import measure
from jobs.models.paired_losses import row_losses
from jobs.models.regression_losses import best_constant, own_losses
from tidewheel.spec.losses import Loss

POISSON, QUANTILE = Loss("poisson"), Loss("quantile", 0.9)
RNG = np.random.default_rng(0)
MEAN = RNG.gamma(2, 1, size=400)
TRUTH = RNG.poisson(MEAN).astype(float)
WEIGHTS = RNG.integers(0, 4, size=400).astype(float)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_figures_are_those_of_scikit_learn(weights: np.ndarray | None) -> None:
    found = measure(TRUTH, MEAN, "regression", weights=weights, loss=POISSON)
    deviance = metrics.mean_poisson_deviance(TRUTH, MEAN, sample_weight=weights)
    assert found["poisson_deviance"] == pytest.approx(deviance)
    assert found["d2"] == pytest.approx(metrics.d2_tweedie_score(TRUTH, MEAN, sample_weight=weights, power=1))

    found = measure(TRUTH, MEAN, "regression", weights=weights, loss=QUANTILE)
    pinball = metrics.mean_pinball_loss(TRUTH, MEAN, sample_weight=weights, alpha=0.9)
    assert found["pinball_loss"] == pytest.approx(pinball)
    d2 = metrics.d2_pinball_score(TRUTH, MEAN, sample_weight=weights, alpha=0.9)
    assert found["d2"] == pytest.approx(d2, abs=0.01)
    assert found["coverage"] == pytest.approx(np.average(TRUTH <= MEAN, weights=weights))


@pytest.mark.parametrize("loss", [Loss(), POISSON, QUANTILE], ids=lambda loss: loss.name)
def test_no_other_constant_loses_less_than_the_best(loss: Loss) -> None:
    def lost(constant: float) -> float:
        return float(np.average(own_losses(TRUTH, np.full_like(TRUTH, constant), loss), weights=WEIGHTS))

    best = best_constant(TRUTH, WEIGHTS, loss)
    assert all(lost(best) <= lost(best + step) + 1e-12 for step in (-1.0, -0.1, 0.1, 1.0))
    measured = measure(TRUTH, np.full_like(TRUTH, best), "regression", weights=WEIGHTS, loss=loss)
    assert measured.get("d2", measured["r2"]) == pytest.approx(0)


def test_a_mean_of_0_costs_much_and_is_a_number() -> None:
    losses = row_losses("poisson_deviance", np.array([0.0, 3.0]), np.array([0.0, -1.0]))
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert 50 < losses[1] < np.inf


def test_what_no_constant_can_get_wrong_has_no_d2() -> None:
    assert np.isnan(measure(np.zeros(9), np.ones(9), "regression", loss=QUANTILE)["d2"])
    assert np.isnan(measure(TRUTH, np.full_like(TRUTH, np.nan), "regression", loss=POISSON)["d2"])
