"""How much each feature matters to a model: how much worse it predicts when that column is shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.models.metrics import measure
from jobs.models.prediction import model_frame, predict
from jobs.models.row_weights import at
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.spec import LOWER_IS_BETTER
from tidewheel.spec.losses import SQUARED_ERROR, Loss

if TYPE_CHECKING:
    from jobs.evaluation.judging import Judged
    from jobs.models.prediction import Array, FittedModel, Task
    from tidewheel.spec import Pipeline

ROWS, REPEATS = 2000, 2


@dataclass(frozen=True)
class LabelledFrame:
    """Rows that a model has not learned from.

    Attributes:
        frame: feature columns.
        truth: labels.
        task: kind of label.
        weights: how much each row counts; None: all the same.
        loss: what a regression minimises.
    """

    frame: pd.DataFrame
    truth: Array
    task: Task
    weights: Array | None = None
    loss: Loss = SQUARED_ERROR


def importances(
    model: FittedModel, rows: LabelledFrame, metric: str, *, seed: int, failures: PartialFailures = RAISING
) -> dict[str, float]:
    """Permutation importance (Breiman, "Random Forests", Machine Learning 45, 2001) on a sample of rows.

    Features that say nearly the same share their importance: shuffling one of them costs little.

    Args:
        model: the fitted model.
        rows: to shuffle and predict.
        metric: the figure that gets worse.
        seed: of sample and shuffling.
        failures: takes note of a column whose importance cannot be measured.

    Returns:
        By column, by how much the figure gets worse, in its own unit, the largest first; empty where it cannot be
        computed.
    """
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(len(rows.frame), size=min(ROWS, len(rows.frame)), replace=False))
    sample, known = rows.frame.iloc[drawn].reset_index(drop=True), rows.truth[drawn]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    weights, task = at(rows.weights, drawn), rows.task
    as_it_is = measure(known, predict(model, sample, task), task, weights=weights, loss=rows.loss)[metric]
    if np.isnan(as_it_is):
        return {}
    found = {}
    for name in sample.columns:
        values = sample[name].to_numpy()
        shuffled = [sample.assign(**{name: values[rng.permutation(len(values))]}) for _ in range(REPEATS)]
        with failures.named(f"importance of column {name}"):
            answers = np.split(predict(model, pd.concat(shuffled, ignore_index=True), task), REPEATS)
            after = [measure(known, said, task, weights=weights, loss=rows.loss)[metric] for said in answers]
            found[str(name)] = float(np.mean([sign * (one - as_it_is) for one in after]))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def judged_importances(
    pipeline: Pipeline, model: FittedModel, judged: Judged, failures: PartialFailures = RAISING
) -> dict[str, float]:
    """The same on the rows that a version was judged on; empty without any.

    Args:
        pipeline: names task, metric and seed.
        model: that was judged.
        judged: the rows.
        failures: takes note of what cannot be measured.
    """
    if judged.rows.empty:
        return {}
    weights: dict[str, float] = {}
    with failures.named("importances of the columns"):
        frame = model_frame(judged.rows, pipeline.features)
        rows = LabelledFrame(frame, judged.truth, pipeline.task, judged.weights, pipeline.loss)
        weights = importances(model, rows, pipeline.metric, seed=pipeline.training.seed, failures=failures)
    return weights
