"""The best constant: what predictions are held against that should say more than the labels alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jobs.models import multiclass
from jobs.models.metrics import log_losses, measure
from jobs.models.regression_losses import best_constant
from tidewheel.spec.losses import SQUARED_ERROR

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline
    from tidewheel.spec.losses import Loss


def constant_prediction(
    truth: Array, predicted: Array, weights: Array | None = None, loss: Loss = SQUARED_ERROR
) -> Array:
    """The same prediction for every row, chosen with the labels in hand: their mean or quantile, or their shares.

    Args:
        truth: labels, one a row.
        predicted: what a model predicts; the constant has the same shape.
        weights: how much each row counts; None: all the same.
        loss: what a regression minimises.
    """
    if predicted.ndim == 2:
        return multiclass.shares(truth, predicted.shape[1], weights)
    return np.full_like(truth, best_constant(truth, weights, loss))


def constant_figure(truth: Array, predicted: Array, pipeline: Pipeline, weights: Array | None = None) -> float:
    """The figure that a pipeline's gate compares, of the best constant; NaN where it cannot be computed."""
    if len(truth) == 0 or (weights is not None and not weights.sum() > 0):
        return math.nan
    if pipeline.metric == "roc_auc":
        return 0.5  # it puts rows in no order
    constant = constant_prediction(truth, predicted, weights, pipeline.loss)
    figures = measure(truth, constant, pipeline.task, weights=weights, loss=pipeline.loss, means_only=True)
    return figures[pipeline.metric]


def log_loss_saved(truth: Array, predicted: Array, weights: Array | None = None) -> float:
    """D² of probabilities: the share of the best constant's log-loss that they save; NaN where all labels are the same.

    As scikit-learn's `d2_log_loss_score`. Hastie, Tibshirani and Wainwright, "Statistical Learning with Sparsity",
    2015, section 3.2.
    """
    model, constant = (
        float(np.average(losses, weights=weights)) for losses in log_losses_beside_constant(truth, predicted, weights)
    )
    return 1 - model / constant if constant > 0 else math.nan


def log_losses_beside_constant(truth: Array, predicted: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Log-loss of each row: of the predictions, and of the best constant: none where all labels are alike."""
    lost = log_losses(truth, predicted)
    if len(np.unique(truth if weights is None else truth[weights > 0])) < 2:
        return lost, np.zeros_like(lost)
    return lost, log_losses(truth, constant_prediction(truth, predicted, weights))
