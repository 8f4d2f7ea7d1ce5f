"""All figures of a version's predictions: those of `jobs.models.metrics`, and those of its decisions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from sklearn import metrics

from jobs.models import multiclass
from jobs.models.constant import log_loss_saved
from jobs.models.metrics import measure
from jobs.models.row_weights import at

if TYPE_CHECKING:
    from jobs.models.prediction import Array, Task
    from tidewheel.spec import Pipeline
    from tidewheel.spec.decision import Costs, Decision


def all_figures(truth: Array, predicted: Array, pipeline: Pipeline, weights: Array | None = None) -> dict[str, float]:
    """Every figure that a pipeline's predictions have; what cannot be computed is NaN.

    Args:
        truth: labels, one a row; 0 or 1 for classification, places of classes for multiclass.
        predicted: predictions for the same rows.
        pipeline: names the task, the loss, the decision's threshold and its costs.
        weights: how much each row counts; None: all the same.

    Returns:
        What `measure` gives; and for classification d2, pr_auc, accuracy, precision, recall, f1 and, where costs are
        declared, expected_cost; for multiclass d2, accuracy, macro_f1, macro_recall; for regression mape.
    """
    measured = measure(truth, predicted, pipeline.task, weights=weights, loss=pipeline.loss)
    return measured | further_figures(truth, predicted, pipeline.task, pipeline.decision, weights)


def further_figures(
    truth: Array, predicted: Array, task: Task, decision: Decision, weights: Array | None = None
) -> dict[str, float]:
    """The figures beyond those of `measure`.

    Precision is unknown where nothing is predicted positive, recall and PR-AUC where nothing is positive (PR-AUC also
    where everything is), F1 where neither is anything. MAPE is of the rows whose label is not 0, since an error is no
    share of nothing; of labels that are all 0 it is unknown. D² is unknown where all labels are the same.
    """
    usable = len(truth) > 0 and bool(np.isfinite(predicted).all()) and (weights is None or weights.sum() > 0)
    if task == "regression":
        return {"mape": _mape(truth, predicted, weights) if usable else math.nan}
    saved = {"d2": log_loss_saved(truth, predicted, weights) if usable else math.nan}
    if task == "multiclass":
        return saved | multiclass.decision_figures(truth, predicted, weights)
    names = ("d2", "pr_auc", "accuracy", "precision", "recall", "f1", *(("expected_cost",) if decision.costs else ()))
    if not usable:
        return dict.fromkeys(names, math.nan)
    decided = decisions(predicted, decision)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, decided, average="binary", zero_division=np.nan, sample_weight=weights
    )
    counting = truth if weights is None else truth[weights > 0]
    figures = {
        **saved,
        "pr_auc": float(metrics.average_precision_score(truth, predicted, sample_weight=weights))
        if 0 < counting.sum() < len(counting)
        else math.nan,
        "accuracy": float(np.average(truth == decided, weights=weights)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }
    if decision.costs:
        figures["expected_cost"] = float(np.average(costs_of_rows(truth, decided, decision.costs), weights=weights))
    return figures


def decisions(predicted: Array, decision: Decision) -> Array:
    """Probabilities as decisions: 1 from the threshold on, else 0."""
    return np.asarray(predicted >= decision.threshold, dtype=np.float64)


def costs_of_rows(truth: Array, decided: Array, costs: Costs) -> Array:
    """What each row's decision costs."""
    wrong = np.where(decided == 1, costs.false_positive, costs.false_negative)
    right = np.where(decided == 1, costs.true_positive, costs.true_negative)
    return np.asarray(np.where(truth == decided, right, wrong), dtype=np.float64)


def relative_errors(truth: Array, predicted: Array) -> Array:
    """Error of each row as a share of its label; NaN where the label is 0, or so near that there is no such number."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        shares = np.abs(predicted - truth) / np.abs(truth)
    return np.asarray(np.where(np.isfinite(shares), shares, np.nan), dtype=np.float64)


def _mape(truth: Array, predicted: Array, weights: Array | None) -> float:
    known = np.isfinite(relative_errors(truth, predicted))
    if not known.any():
        return math.nan
    counting = at(weights, known)
    if counting is not None and not counting.sum() > 0:
        return math.nan
    return float(metrics.mean_absolute_percentage_error(truth[known], predicted[known], sample_weight=counting))
