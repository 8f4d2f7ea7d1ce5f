"""Losses of two versions on the same labelled rows of a day: what probation is decided by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jobs.models.metrics import brier_losses, log_losses
from jobs.models.prediction import Array
from tidewheel.policies.probation import PairedDay

if TYPE_CHECKING:
    from datetime import date


def paired_day(day: date, metric: str, truth: Array, ours: Array, theirs: Array) -> PairedDay | None:
    """Compare two versions on a day.

    Args:
        day: the day of the rows.
        metric: the pipeline's. One that is no mean over rows is replaced by its task's loss: AUC by the log-loss, RMSE
            by the squared error.
        truth: labels.
        ours: what the version on probation said.
        theirs: what its predecessor said.

    Returns:
        None where there is no row, or a prediction is no number.
    """
    if not len(truth) or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    losses, before = row_losses(metric, truth, ours), row_losses(metric, truth, theirs)
    error = float((losses - before).std()) / math.sqrt(len(truth))
    return PairedDay(day, len(truth), float(losses.mean()), float(before.mean()), error)


def row_losses(metric: str, truth: Array, predicted: Array) -> Array:
    """The loss of each row, in the metric's unit where it is a mean over rows."""
    match metric:
        case "log_loss" | "roc_auc":
            return log_losses(truth, predicted)
        case "brier":
            return brier_losses(truth, predicted)
        case "mae":
            return np.asarray(np.abs(predicted - truth), dtype=np.float64)
        case _:
            return np.asarray((predicted - truth) ** 2, dtype=np.float64)
