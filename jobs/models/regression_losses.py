"""Losses of a regression that predicts a quantile, or the mean of labels of 0 or more, and the figures made of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from tidewheel.spec.losses import Loss

SMALLEST = float(np.finfo(np.float32).eps)
"""Means are taken for at least this, as probabilities are: the deviance of a positive label from 0 is infinite."""


def pinball_losses(truth: Array, predicted: Array, quantile: float) -> Array:
    """Pinball loss of each row: `quantile` times what a label lies above the prediction, or the rest times what below.

    Koenker and Bassett, "Regression Quantiles", Econometrica 46, 1978.
    """
    above = truth - predicted
    return np.asarray(np.maximum(quantile * above, (quantile - 1) * above), dtype=np.float64)


def poisson_deviances(truth: Array, predicted: Array) -> Array:
    """Poisson deviance of each row: twice the log-likelihood that is lost by predicting another mean than the label."""
    mean = np.maximum(predicted, SMALLEST)
    return np.asarray(2 * (xlogy(truth, truth / mean) - truth + mean), dtype=np.float64)


def own_losses(truth: Array, predicted: Array, loss: Loss) -> Array:
    """What `loss` makes of each row: the squared error, the pinball loss or the Poisson deviance."""
    match loss.name:
        case "quantile":
            return pinball_losses(truth, predicted, loss.quantile)
        case "poisson":
            return poisson_deviances(truth, predicted)
        case _:
            return np.asarray((predicted - truth) ** 2, dtype=np.float64)


def best_constant(truth: Array, weights: Array | None, loss: Loss) -> float:
    """The one number that loses least: the mean, or of the quantile loss the quantile of the labels."""
    if loss.name != "quantile":
        return float(np.average(truth, weights=weights))
    return float(np.quantile(truth, loss.quantile, method="inverted_cdf", weights=weights))


def loss_figures(truth: Array, predicted: Array, loss: Loss, weights: Array | None = None) -> dict[str, float]:
    """The figures of a loss; none for the squared error, whose figures every regression has.

    Args:
        truth: labels, one a row; 0 or more for poisson.
        predicted: one prediction a row.
        loss: what the model minimises.
        weights: how much each row counts; None: all the same.

    Returns:
        poisson_deviance, or pinball_loss and coverage (the share of labels at or below their prediction); and d2, the
        share of the loss of the best constant that the predictions save (Hastie, Tibshirani and Wainwright,
        "Statistical Learning with Sparsity", 2015, section 3.2).
    """
    if loss.name == "squared_error":
        return {}
    mean = float(np.average(own_losses(truth, predicted, loss), weights=weights))
    constant = np.full_like(truth, best_constant(truth, weights, loss))
    useless = float(np.average(own_losses(truth, constant, loss), weights=weights))
    saved = 1 - mean / useless if useless > 0 else math.nan
    if loss.name == "poisson":
        return {"poisson_deviance": mean, "d2": saved}
    covered = float(np.average(truth <= predicted, weights=weights))
    return {"pinball_loss": mean, "d2": saved, "coverage": covered}
