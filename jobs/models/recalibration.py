"""What a model's predictions mean that are not meant literally: class weights, resampled rows, quantiles.

A classifier that was fitted with balanced weights calls every second row of a rare label positive, and a quantile is no
mean. Held against what such a model says, every night is an alarm, and no training cures it. So monitoring holds the
labels against what its predictions turned out to mean on its gate's holdout: a line on the scale of log-odds (Platt,
"Probabilistic outputs for support vector machines", 1999), or on that of the label. Only where the model is off by
construction, which shows in the rows that it has learned from: what a changed world does to an honest model is
an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from jobs.models.metrics import log_losses
from tidewheel.policies.trigger.quality import mean_over_days

if TYPE_CHECKING:
    import pandas as pd

    from jobs.models.prediction import Array, Task

MATERIAL = 0.02
"""Share of the loss that the line must save, as the performance trigger's smallest excess; less is reported raw."""
SURE = 2.5
"""Standard errors over days that it must lie above zero; the trigger's own."""
AGREE = 2.0
"""Standard errors that the lines on holdout and on learned rows may lie apart and be taken for one."""
FIT_LINE = "fit_line_"
"""Before the names of a line's figures, in the record of `train`: the one on the rows that the model learned from."""
ITERATIONS, FLATTEST, STEEPEST = 50, 0.05, 20.0


@dataclass(frozen=True)
class CalibrationLine:
    """What predictions mean: `intercept + slope * (score - center)`, where a score is a log-odds or a value.

    Attributes:
        intercept: meaning of a prediction in the middle.
        slope: how much the meaning moves with the prediction.
        center: the middle, so that intercept and slope err independently.
        error: standard error of the intercept, over days.
    """

    intercept: float = 0.0
    slope: float = 1.0
    center: float = 0.0
    error: float = 0.0

    @property
    def is_literal(self) -> bool:
        """Whether predictions mean what they say."""
        return self == LITERAL

    def meant(self, predicted: Array, task: Task) -> Array:
        """What predictions mean: probabilities for classification, expected labels for regression."""
        shifted = self.intercept + self.slope * (scores(predicted, task) - self.center)
        return np.asarray(1 / (1 + np.exp(-shifted)) if task == "classification" else shifted, dtype=np.float64)

    def to_json(self) -> dict[str, float]:
        """As `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> Self:
        """Read what `to_json` wrote; without it, predictions mean what they say."""
        return cls(**document) if document else cls()


LITERAL = CalibrationLine()


def fit_line(
    truth: Array,
    predicted: Array,
    task: Task,
    days: pd.Series[str] | None = None,
    row_weights: Array | None = None,
) -> CalibrationLine:
    """The line from predictions to what they mean, by maximum likelihood, shrunk towards literal where rows are few.

    Predictions of several classes lie on no line: they are taken literally.

    Args:
        truth: labels, one a row.
        predicted: predictions for the same rows.
        task: kind of label.
        days: day of each row, for the standard error; None: it is not required.
        row_weights: how much each row counts; None: all the same.

    Returns:
        The line; literal where these rows cannot say.
    """
    usable = np.isfinite(predicted)
    if (
        task == "multiclass"
        or not usable.all()
        or len(truth) < 2
        or (task == "classification" and not 0 < truth.mean() < 1)
    ):
        return LITERAL
    said, counting = scores(predicted, task), _counting(truth, row_weights)
    rows = np.column_stack([np.ones(len(said)), said])
    line = np.array([0.0, 1.0])
    # as if one row had said that the slope is 1: where both kinds of row can be separated, no other says anything of it
    prior = np.diag([0.0, 1.0 if task == "classification" else 0.0])
    for _ in range(ITERATIONS):
        left, weight = (part * counting for part in _left(truth, rows @ line, task))
        curvature = rows.T @ (rows * weight[:, None]) + prior
        step = np.linalg.lstsq(curvature, rows.T @ left - prior @ (line - [0.0, 1.0]), rcond=None)[0]
        line = line + np.clip(step, -4, 4) if task == "classification" else line + step
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(line).max()):
            break
    if not np.isfinite(line).all() or not FLATTEST <= line[1] <= STEEPEST:
        return LITERAL
    left, weight = (part * counting for part in _left(truth, rows @ line, task))
    center = float((weight * said).sum() / weight.sum()) if weight.sum() > 0 else 0.0
    error = _error(left, weight, task, days, counting) if days is not None else 0.0
    return CalibrationLine(float(line[0] + line[1] * center), float(line[1]), center, error)


def line_by_construction(
    fitted: Callable[[], CalibrationLine],
    truth: Array,
    predicted: Array,
    days: pd.Series[str],
    task: Task,
    row_weights: Array | None = None,
) -> CalibrationLine:
    """What a version's predictions mean; literal, unless it is off by construction.

    Args:
        fitted: gives the line on the rows that it has learned from; called only where the holdout shows one.
        truth: labels of the holdout.
        predicted: predictions for the holdout.
        days: day of each row of the holdout.
        task: kind of label.
        row_weights: how much each row of the holdout counts; None: all the same.

    Returns:
        The line on the holdout, where that and the one on the rows it has learned from both save a material share of
        the holdout's loss. Days that differ from training make the first so, and not the second; a model that fits its
        own rows too closely the second, and not the first.
    """
    if len(truth) == 0:
        return LITERAL
    found, counting = fit_line(truth, predicted, task, days, row_weights), _counting(truth, row_weights)
    if found.is_literal or not _saves(found, truth, predicted, days, task, counting):
        return LITERAL
    learned = fitted()
    if learned.is_literal or not _saves(learned, truth, predicted, days, task, counting):
        return LITERAL
    return _pooled(found, learned)


def _pooled(held: CalibrationLine, learned: CalibrationLine) -> CalibrationLine:
    """The line on the holdout, made surer by the one on many more rows where the two agree."""
    there = learned.intercept + learned.slope * (held.center - learned.center)
    apart = abs(there - held.intercept) / math.hypot(held.error, learned.error) if learned.error else math.inf
    if not apart <= AGREE:
        return held
    weight, other = held.error**-2, learned.error**-2
    intercept = (weight * held.intercept + other * there) / (weight + other)
    return replace(held, intercept=intercept, error=(weight + other) ** -0.5)


def _saves(
    line: CalibrationLine, truth: Array, predicted: Array, days: pd.Series[str], task: Task, counting: Array
) -> bool:
    loss = counting * _losses(truth, predicted, task)
    saved = loss - counting * _losses(truth, line.meant(predicted, task), task)
    by_day = [(float(saved[mask].mean()), int(mask.sum())) for mask in _by_day(days)]
    mean = mean_over_days([value for value, _ in by_day], [rows for _, rows in by_day])
    return mean.value >= MATERIAL * float(loss.mean()) and mean.surety >= SURE


def _losses(truth: Array, predicted: Array, task: Task) -> Array:
    return log_losses(truth, predicted) if task == "classification" else np.asarray((truth - predicted) ** 2)


def scores(predicted: Array, task: Task) -> Array:
    """Predictions on the scale where their meaning is a line: log-odds, or as they are."""
    if task == "regression":
        return predicted
    step = np.finfo(np.float32).eps
    sure = np.clip(predicted, step, 1 - step)
    return np.asarray(np.log(sure) - np.log1p(-sure), dtype=np.float64)


def _left(truth: Array, linear: Array, task: Task) -> tuple[Array, Array]:
    """What the line leaves of each label, and how much each row weighs."""
    if task == "regression":
        return truth - linear, np.ones_like(linear)
    chance = 1 / (1 + np.exp(-np.clip(linear, -500, 500)))
    return truth - chance, chance * (1 - chance)


def _error(left: Array, weight: Array, task: Task, days: pd.Series[str], counting: Array) -> float:
    """Standard error of the intercept: the larger of what rows and what days say, since few days say little."""
    total = float(weight.sum())
    if total <= 0:
        return math.inf
    if task == "classification":
        by_rows = math.sqrt(float((weight * counting).sum())) / total
    else:
        by_rows = float(left.std()) * math.sqrt(len(left)) / total
    sums = np.array([left[mask].sum() for mask in _by_day(days)])
    by_days = math.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)) / total
    return max(by_rows, by_days)


def _counting(truth: Array, row_weights: Array | None) -> Array:
    """How much each row counts, 1 on average: one row's worth of prior stays one row's worth."""
    if row_weights is None:
        return np.ones_like(truth, dtype=np.float64)
    return np.asarray(row_weights / row_weights.mean(), dtype=np.float64)


def _by_day(days: pd.Series[str]) -> list[Any]:
    values = days.to_numpy()
    return [values == day for day in np.unique(values.astype(str))]
