"""Figures of predictions against the truth, by name."""

from __future__ import annotations

import math

import numpy as np
from sklearn import metrics

from jobs.models import multiclass
from jobs.models.prediction import Array, Task

MEASURED: dict[Task, tuple[str, ...]] = {
    "classification": ("roc_auc", "log_loss", "brier"),
    "multiclass": multiclass.MEASURED,
    "regression": ("rmse", "mae", "r2"),
}


def measure(truth: Array, predicted: Array, task: Task) -> dict[str, float]:
    """Compute every figure of a task. What cannot be computed (AUC of one class, R² of one row) is NaN, never a guess.

    So are all of them where a prediction is no number: a mean over the others would flatter the model.

    Args:
        truth: labels; 0 or 1 for classification, places of classes for multiclass.
        predicted: one prediction a row, as `jobs.models.prediction.predict` makes them.
        task: the pipeline's kind of label.

    Returns:
        roc_auc, log_loss, brier; for multiclass the last two; for regression rmse, mae, r2.
    """
    if len(truth) == 0 or not np.isfinite(predicted).all():
        return dict.fromkeys(MEASURED[task], math.nan)
    if task == "multiclass":
        return multiclass.probability_figures(truth, predicted)
    if task == "classification":
        both = 0 < truth.sum() < len(truth)
        return {
            "roc_auc": float(metrics.roc_auc_score(truth, predicted)) if both else math.nan,
            "log_loss": float(log_losses(truth, predicted).mean()),
            "brier": float(((predicted - truth) ** 2).mean()),
        }
    return {
        "rmse": float(np.sqrt(((predicted - truth) ** 2).mean())),
        "mae": float(np.abs(predicted - truth).mean()),
        "r2": float(metrics.r2_score(truth, predicted)) if len(truth) > 1 else math.nan,
    }


def brier_losses(truth: Array, predicted: Array) -> Array:
    """Brier score of each row."""
    if predicted.ndim == 2:
        return multiclass.brier(truth, predicted)
    return np.asarray((predicted - truth) ** 2, dtype=np.float64)


def log_losses(truth: Array, predicted: Array) -> Array:
    """Log-loss of each row; probabilities are kept one float32 step away from 0 and 1, as scikit-learn does."""
    if predicted.ndim == 2:
        return multiclass.log_losses(truth, predicted)
    step = np.finfo(np.float32).eps
    sure = np.clip(predicted, step, 1 - step)
    return np.asarray(-np.where(truth == 1, np.log(sure), np.log1p(-sure)), dtype=np.float64)
