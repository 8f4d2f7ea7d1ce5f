"""Figures under many draws of days, for the intervals of those that `jobs.evaluation.comparison` does not compare by.

Each is a ratio of sums over rows, so that a draw needs the sums of each day and no row again. PR-AUC is none: its rows
are put into bins by the rank of their prediction first, which moves it by less than one part in a thousand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jobs.models import multiclass
from jobs.models.constant import constant_prediction, log_losses_beside_constant
from jobs.models.figures import costs_of_rows, decisions, relative_errors
from jobs.models.regression_losses import own_losses
from tidewheel.spec.losses import SQUARED_ERROR

if TYPE_CHECKING:
    from jobs.evaluation.comparison import ScoredRows
    from jobs.models.prediction import Array
    from tidewheel.spec.decision import Decision

BINS = 1000
Codes = np.ndarray[tuple[int], np.dtype[np.int64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]
Ratio = tuple["Array", "Array"]
"""What a row adds to a figure's numerator and to its denominator."""


class DayDraws(NamedTuple):
    """Days drawn with replacement, many times.

    Attributes:
        codes: day of each row, as a number from 0 on.
        weights: how often each day counts, resamples x days.
    """

    codes: Codes
    weights: Matrix


def drawn_figure(name: str, rows: ScoredRows, draws: DayDraws, decision: Decision) -> Array:
    """A figure under each draw of days; NaN where a draw leaves it undefined.

    Args:
        name: pr_auc, r2, mape, d2, coverage, expected_cost, a figure that `row_ratio` knows, or one of
            `jobs.models.multiclass.DECIDED`.
        rows: what the model predicts.
        draws: of their days.
        decision: threshold and costs.
    """
    truth, predicted, (codes, weights) = rows.truth, rows.predicted, draws
    counting = np.ones_like(truth) if rows.weights is None else rows.weights
    if predicted.ndim == 2 and name != "d2":
        return _of_classes(name, truth, predicted, codes, weights, counting)
    match name:
        case "pr_auc":
            return _average_precision(truth, predicted, codes, weights, counting)
        case "r2":
            return _r2(truth, predicted, codes, weights, counting)
        case "d2":
            return 1 - drawn_ratio(_beside_constant(rows), codes, weights, counting)
        case "coverage":
            covered = (truth <= predicted).astype(np.float64)
            return drawn_ratio((covered, np.ones_like(truth)), codes, weights, counting)
    return drawn_ratio(row_ratio(name, truth, predicted, decision), codes, weights, counting)


def row_ratio(name: str, truth: Array, predicted: Array, decision: Decision) -> Ratio:
    """A figure as what each row adds to its numerator and denominator.

    Raises:
        ValueError: the figure is not of that kind.
    """
    ones = np.ones_like(predicted)
    match name:
        case "mean_prediction":
            return predicted, ones
        case "bias":
            return predicted - truth, ones
        case "mape":
            shares = relative_errors(truth, predicted)
            return np.nan_to_num(shares), np.isfinite(shares).astype(np.float64)
    decided = decisions(predicted, decision)
    hit = decided * truth
    match name:
        case "accuracy":
            return (decided == truth).astype(np.float64), ones
        case "selection_rate":
            return decided, ones
        case "precision":
            return hit, decided
        case "recall":
            return hit, truth
        case "f1":
            return 2 * hit, decided + truth
        case "false_positive_rate":
            return decided - hit, 1 - truth
        case "false_negative_rate":
            return truth - hit, truth
        case "expected_cost" if decision.costs:
            return costs_of_rows(truth, decided, decision.costs), ones
    raise ValueError(f"no figure called {name}")


def _beside_constant(rows: ScoredRows) -> Ratio:
    """The loss of each row, and that of the constant which is best for all rows, whatever is drawn."""
    if rows.loss == SQUARED_ERROR:  # its D² is R², and has a name of its own: these are probabilities
        return log_losses_beside_constant(rows.truth, rows.predicted, rows.weights)
    constant = constant_prediction(rows.truth, rows.predicted, rows.weights, rows.loss)
    return own_losses(rows.truth, rows.predicted, rows.loss), own_losses(rows.truth, constant, rows.loss)


def _of_classes(name: str, truth: Array, predicted: Array, codes: Codes, weights: Matrix, counting: Array) -> Array:
    """A figure of the most probable class: of the counts of each class, which a draw adds up over days."""
    if name == "accuracy":
        return drawn_ratio((multiclass.hits(truth, predicted), np.ones_like(truth)), codes, weights, counting)
    counted = []
    for rows in multiclass.class_counts(truth, predicted):
        of_days = np.zeros((weights.shape[1], predicted.shape[1]))
        np.add.at(of_days, codes, rows * counting[:, None])
        counted.append(weights @ of_days)
    right, said, true = counted
    return multiclass.macro_f1(right, said, true) if name == "macro_f1" else multiclass.macro_recall(right, true)


def drawn_ratio(ratio: Ratio, codes: Codes, weights: Matrix, counting: Array | None = None) -> Array:
    """A ratio under each row of day weights; NaN where its denominator is 0.

    Args:
        ratio: what each row adds.
        codes: day of each row.
        weights: how often each day counts.
        counting: how much each row counts; None: all the same.
    """
    parts = [part if counting is None else part * counting for part in ratio]
    above, below = (weights @ np.bincount(codes, weights=part, minlength=weights.shape[1]) for part in parts)
    return _divided(above, below)


def _r2(truth: Array, predicted: Array, codes: Codes, weights: Matrix, counting: Array) -> Array:
    centred = truth - truth.mean()  # so that the squares lose no digits
    sums = [
        weights @ np.bincount(codes, weights=part * counting, minlength=weights.shape[1])
        for part in ((truth - predicted) ** 2, centred**2, centred, np.ones_like(truth))
    ]
    errors, squares, total, rows = sums
    return 1 - _divided(errors, squares - total**2 / rows)


def _average_precision(truth: Array, predicted: Array, codes: Codes, weights: Matrix, counting: Array) -> Array:
    ranks = np.searchsorted(np.unique(-predicted), -predicted)  # the most probable rows first; equal ones are together
    bins = ranks * min(BINS, ranks.max() + 1) // (ranks.max() + 1)
    shape = (weights.shape[1], int(bins.max()) + 1)
    positive, all_rows = np.zeros(shape), np.zeros(shape)
    np.add.at(positive, (codes, bins), truth * counting)
    np.add.at(all_rows, (codes, bins), counting)
    positives = weights @ positive
    precision = _divided(np.cumsum(positives, axis=1), np.cumsum(weights @ all_rows, axis=1))
    return _divided(np.nansum(positives * precision, axis=1), positives.sum(axis=1))


def _divided(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.nan))
