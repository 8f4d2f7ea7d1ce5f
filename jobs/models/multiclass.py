"""Figures of predictions of several classes.

The truth is the place of a row's class in `labels.classes`, from 0; a prediction is one probability for each class.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.models.prediction import Array

MEASURED = ("log_loss", "brier")
"""Figures of the probabilities."""
DECIDED = ("accuracy", "macro_f1", "macro_recall")
"""Figures of the most probable class."""


def probability_figures(truth: Array, predicted: Array, weights: Array | None = None) -> dict[str, float]:
    """The figures of `MEASURED`, means over rows as their weights say."""
    return {
        "log_loss": float(np.average(log_losses(truth, predicted), weights=weights)),
        "brier": float(np.average(brier(truth, predicted), weights=weights)),
    }


def decision_figures(truth: Array, predicted: Array, weights: Array | None = None) -> dict[str, float]:
    """The figures of `DECIDED`.

    Macro figures are means over classes, each of which counts as much as any other: F1 over the classes that occur in
    labels or predictions, recall over those that occur in labels (which makes it the balanced accuracy). So
    scikit-learn has them.
    """
    if not len(truth) or not np.isfinite(predicted).all() or (weights is not None and not weights.sum() > 0):
        return dict.fromkeys(DECIDED, math.nan)
    counts = class_counts(truth, predicted)
    if weights is not None:
        counts = tuple(each * weights[:, None] for each in counts)
    right, said, true = (each.sum(axis=0, keepdims=True) for each in counts)
    return {
        "accuracy": float(right.sum() / true.sum()),
        "macro_f1": float(macro_f1(right, said, true)[0]),
        "macro_recall": float(macro_recall(right, true)[0]),
    }


def class_counts(truth: Array, predicted: Array) -> tuple[Array, ...]:
    """What each row adds to its class: right predictions, predictions, and labels; rows x classes, 0 or 1."""
    every = np.arange(predicted.shape[1])
    said = (np.argmax(predicted, axis=1)[:, None] == every).astype(np.float64)
    true = (truth[:, None] == every).astype(np.float64)
    return said * true, said, true


def macro_f1(right: Array, said: Array, true: Array) -> Array:
    """Macro F1 of each row of counts by class; NaN where no class occurs."""
    return _mean_ratio(2 * right, said + true)


def macro_recall(right: Array, true: Array) -> Array:
    """Macro recall of each row of counts by class; NaN where no class occurs."""
    return _mean_ratio(right, true)


def log_losses(truth: Array, predicted: Array) -> Array:
    """Log-loss of each row; the probability of its class is at least one float32 step above 0."""
    mine = np.take_along_axis(predicted, truth.astype(np.intp)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.clip(mine, np.finfo(np.float32).eps, 1.0)), dtype=np.float64)


def brier(truth: Array, predicted: Array) -> Array:
    """Brier score of each row, half the sum over classes: from 0 to 1, and for two classes the usual one."""
    true = (truth[:, None] == np.arange(predicted.shape[1])).astype(np.float64)
    return np.asarray(((predicted - true) ** 2).sum(axis=1) / 2, dtype=np.float64)


def expected_log_losses(predicted: Array) -> Array:
    """Log-loss that the model itself expects of each row: the entropy of its prediction, in nats."""
    sure = np.clip(predicted, np.finfo(np.float32).eps, 1.0)
    return np.asarray(-(predicted * np.log(sure)).sum(axis=1), dtype=np.float64)


def confidences(predicted: Array) -> Array:
    """The probability of each row's most probable class."""
    return np.asarray(predicted.max(axis=1), dtype=np.float64)


def hits(truth: Array, predicted: Array) -> Array:
    """1 where the most probable class is the right one, else 0."""
    return np.asarray(np.argmax(predicted, axis=1) == truth, dtype=np.float64)


def shares(truth: Array, classes: int, weights: Array | None = None) -> Array:
    """A constant prediction: the share of each class in the labels, for every row."""
    counted = np.bincount(truth.astype(np.intp), weights=weights, minlength=classes)
    return np.asarray(np.tile(counted / counted.sum(), (len(truth), 1)), dtype=np.float64)


def absent(truth: Array, classes: Sequence[Any]) -> list[str]:
    """Names of the classes that no row has."""
    counted = np.bincount(truth.astype(np.intp), minlength=len(classes))
    return [str(name) for name, count in zip(classes, counted, strict=True) if not count]


def _mean_ratio(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(below > 0, above / below, np.nan)
    occurring = (below > 0).sum(axis=-1)
    return np.asarray(np.where(occurring > 0, np.nansum(ratios, axis=-1) / np.maximum(occurring, 1), np.nan))
