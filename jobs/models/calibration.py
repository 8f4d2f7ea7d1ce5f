"""What a model's predictions say about themselves: the loss it expects, and whether its probabilities come true."""

from __future__ import annotations

import math

import numpy as np

from jobs.models import multiclass
from jobs.models.prediction import Array

BINS = 10


def expected_log_losses(predicted: Array) -> Array:
    """Log-loss that the model itself expects of each row: the entropy of its prediction, in nats."""
    if predicted.ndim == 2:
        return multiclass.expected_log_losses(predicted)
    step = np.finfo(np.float32).eps
    sure = np.clip(predicted, step, 1 - step)
    return np.asarray(-(sure * np.log(sure) + (1 - sure) * np.log1p(-sure)), dtype=np.float64)


def calibration_error(truth: Array, predicted: Array, bins: int = BINS, weights: Array | None = None) -> float:
    """Mean distance between predicted and true rates, over bins with equally many rows.

    The expected calibration error of Naeini et al. (2015) with bins of equal mass, which small days need.

    Args:
        truth: 0 or 1.
        predicted: probabilities.
        bins: how many bins; days with few rows get fewer, each with ten rows at least.
        weights: how much each row counts; None: all the same.

    Returns:
        Between 0 and 1; NaN without rows.
    """
    if len(truth) == 0:
        return math.nan
    parts = np.array_split(np.argsort(predicted, kind="stable"), max(1, min(bins, len(truth) // 10)))
    counting = np.ones_like(predicted) if weights is None else weights
    gaps = [abs(float(((truth[part] - predicted[part]) * counting[part]).sum())) for part in parts]
    return sum(gaps) / float(counting.sum())


def estimated_auc(predicted: Array) -> float:
    """AUC that calibrated predictions would have, without a label: each row counts as p of a positive.

    The confidence-based estimate of NannyML (CBPE). It is right as far as the probabilities are, so it sees neither a
    label whose relation to the features has changed nor a model that is wrongly sure.
    """
    order = np.argsort(predicted, kind="stable")
    chance = predicted[order]
    positive, negative = float(chance.sum()), float((1 - chance).sum())
    if positive == 0 or negative == 0:
        return math.nan
    # ties share their pairs evenly
    values, first = np.unique(chance, return_index=True)
    positives, negatives = np.add.reduceat(chance, first), np.add.reduceat(1 - chance, first)
    below = np.concatenate([[0.0], np.cumsum(negatives)[:-1]])
    assert len(values) == len(below)
    return float((positives * (below + negatives / 2)).sum() / (positive * negative))
