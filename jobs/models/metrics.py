"""Figures of predictions against the truth, by name."""

from __future__ import annotations

import math

import numpy as np
from sklearn import metrics

from jobs.models import multiclass
from jobs.models.prediction import Array, Task
from jobs.models.regression_losses import loss_figures
from tidewheel.spec.losses import SQUARED_ERROR, Loss

MEASURED: dict[Task, tuple[str, ...]] = {
    "classification": ("roc_auc", "log_loss", "brier"),
    "multiclass": multiclass.MEASURED,
    "regression": ("rmse", "mae", "r2"),
}
NO_MEANS = ("roc_auc", "r2")
"""Figures that are more than means over rows."""


def measure(
    truth: Array,
    predicted: Array,
    task: Task,
    *,
    weights: Array | None = None,
    loss: Loss = SQUARED_ERROR,
    means_only: bool = False,
) -> dict[str, float]:
    """Compute every figure of a task. What cannot be computed (AUC of one class, R² of one row) is NaN, never a guess.

    So are all of them where a prediction is no number: a mean over the others would flatter the model.

    Args:
        truth: labels; 0 or 1 for classification, places of classes for multiclass.
        predicted: one prediction a row, as `jobs.models.prediction.predict` makes them.
        task: the pipeline's kind of label.
        weights: how much each row counts, 0 or more; None: all the same.
        loss: what a regression minimises.
        means_only: without roc_auc and r2, which are no means over rows and take nine tenths of the time.

    Returns:
        roc_auc, log_loss, brier; for multiclass the last two; for regression rmse, mae, r2 and the figures of its loss.
    """
    if len(truth) == 0 or not np.isfinite(predicted).all() or (weights is not None and not weights.sum() > 0):
        names = (*MEASURED[task], *(loss.figures if task == "regression" else ()))
        return dict.fromkeys((name for name in names if not (means_only and name in NO_MEANS)), math.nan)
    if task == "multiclass":
        return multiclass.probability_figures(truth, predicted, weights)
    if task == "classification":
        means = {
            "log_loss": float(np.average(log_losses(truth, predicted), weights=weights)),
            "brier": float(np.average((predicted - truth) ** 2, weights=weights)),
        }
        return means if means_only else {"roc_auc": _roc_auc(truth, predicted, weights), **means}
    return {
        "rmse": float(np.sqrt(np.average((predicted - truth) ** 2, weights=weights))),
        "mae": float(np.average(np.abs(predicted - truth), weights=weights)),
        **({} if means_only else {"r2": _r2(truth, predicted, weights)}),
        **loss_figures(truth, predicted, loss, weights),
    }


def _roc_auc(truth: Array, predicted: Array, weights: Array | None) -> float:
    counting = truth if weights is None else truth[weights > 0]
    both = 0 < counting.sum() < len(counting)
    return float(metrics.roc_auc_score(truth, predicted, sample_weight=weights)) if both else math.nan


def _r2(truth: Array, predicted: Array, weights: Array | None) -> float:
    return float(metrics.r2_score(truth, predicted, sample_weight=weights)) if len(truth) > 1 else math.nan


def brier_losses(truth: Array, predicted: Array) -> Array:
    """Brier score of each row."""
    if predicted.ndim == 2:
        return multiclass.brier(truth, predicted)
    return np.asarray((predicted - truth) ** 2, dtype=np.float64)


def log_losses(truth: Array, predicted: Array) -> Array:
    """Log-loss of each row; probabilities are clipped one float32 step away from 0 and 1, as scikit-learn does."""
    if predicted.ndim == 2:
        return multiclass.log_losses(truth, predicted)
    step = np.finfo(np.float32).eps
    sure = np.clip(predicted, step, 1 - step)
    return np.asarray(-np.where(truth == 1, np.log(sure), np.log1p(-sure)), dtype=np.float64)
