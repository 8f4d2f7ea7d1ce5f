"""Losses of two versions on the same labelled rows of a day: what probation is decided by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.models.metrics import brier_losses, log_losses
from jobs.models.prediction import Array
from jobs.models.regression_losses import pinball_losses, poisson_deviances
from tidewheel.policies.probation import PairedDay
from tidewheel.spec.losses import SQUARED_ERROR, Loss

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class PairedAnswers:
    """What two versions predict for the same labelled rows.

    Attributes:
        truth: labels.
        ours: predictions of the version on probation.
        theirs: predictions of its predecessor.
        weights: how much each row counts; None: all the same.
    """

    truth: Array
    ours: Array
    theirs: Array
    weights: Array | None = None


def paired_day(day: date, metric: str, rows: PairedAnswers, loss: Loss = SQUARED_ERROR) -> PairedDay | None:
    """Compare two versions on a day.

    Args:
        day: the day of the rows.
        metric: the pipeline's. One that is no mean over rows is replaced by its task's loss: AUC by the log-loss, RMSE
            by the squared error.
        rows: what both predict.
        loss: what a regression minimises.

    Returns:
        None where there is no row, none that counts, or a prediction is no number.
    """
    truth, ours, theirs, weights = rows.truth, rows.ours, rows.theirs, rows.weights
    if not len(truth) or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return None
    losses, before = row_losses(metric, truth, ours, loss), row_losses(metric, truth, theirs, loss)
    if weights is None:
        error = float((losses - before).std()) / math.sqrt(len(truth))
        return PairedDay(day, len(truth), float(losses.mean()), float(before.mean()), error)
    if not weights.sum() > 0:
        return None
    mean, other = (float(np.average(each, weights=weights)) for each in (losses, before))
    # of a ratio of sums: Cochran, "Sampling Techniques", 1977, section 6.4
    error = math.sqrt(float((weights**2 * (losses - before - (mean - other)) ** 2).sum())) / float(weights.sum())
    return PairedDay(day, len(truth), mean, other, error)


def row_losses(metric: str, truth: Array, predicted: Array, loss: Loss = SQUARED_ERROR) -> Array:
    """The loss of each row, in the metric's unit where it is a mean over rows."""
    match metric:
        case "log_loss" | "roc_auc":
            return log_losses(truth, predicted)
        case "brier":
            return brier_losses(truth, predicted)
        case "mae":
            return np.asarray(np.abs(predicted - truth), dtype=np.float64)
        case "poisson_deviance":
            return poisson_deviances(truth, predicted)
        case "pinball_loss":
            return pinball_losses(truth, predicted, loss.quantile)
        case _:
            return np.asarray((predicted - truth) ** 2, dtype=np.float64)
