"""Fitting a challenger: the same function for a training, a search, a refit and a reproduction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jobs.data.training_data import LabelledDay, labelled_rows
from jobs.models.multiclass import absent
from jobs.models.prediction import Array, Task, model_frame
from jobs.models.row_weights import at, weights_of
from jobs.partial_failures import cause
from jobs.training.boosting import fit_boosted, is_boosted
from jobs.training.class_weights import fit_weights
from jobs.training.estimators import build_model, device_used, settle_for_prediction, weight_arguments
from jobs.training.families import FAMILIES
from jobs.training.going_on import go_on
from jobs.training.lightgbm_pieces import fit_pieces, in_pieces
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.spec.weights import class_names
from tidewheel.tracing import step

if TYPE_CHECKING:
    import pandas as pd

    from jobs.training.boosting import Checkpoints
    from jobs.training.going_on import Start
    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline
    from tidewheel.spec.sections import Features
    from tidewheel.spec.training import Training

LONGEST_CATEGORY = 10_000
"""Characters; the service takes whatever training has seen, so what training takes is bounded."""
log = logging.getLogger("tidewheel.fitting")


@dataclass(frozen=True)
class TrainingRows:
    """Rows to learn from: feature columns as every model sees them, labels, and the day of each row.

    `weights` is how much each row counts; None: all the same.
    """

    frame: pd.DataFrame
    truth: Array
    days: pd.Series[str]
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def taken(self, where: Any) -> TrainingRows:
        """Some of the rows, by a mask or by position."""
        frame, days = self.frame.iloc[where], self.days.iloc[where]
        return TrainingRows(frame, self.truth[where], days, at(self.weights, where))


class FitRows(NamedTuple):
    """Rows for an estimator.

    Attributes:
        frame: feature columns as `jobs.models.prediction.model_frame` makes them.
        truth: labels.
        weights: how much each row counts; None: all the same.
    """

    frame: pd.DataFrame
    truth: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Fitted:
    """A model that answers on the CPU, and where it was fitted, as the library itself reports it."""

    model: Any
    device: str


def training_rows_of(pipeline: Pipeline, rows: pd.DataFrame) -> TrainingRows:
    """The rows to learn from.

    Args:
        pipeline: names features, label and weight.
        rows: as `jobs.data.training_data.labelled_rows` gives them.
    """
    frame, truth = model_frame(rows, pipeline.features), rows[pipeline.labels.column].to_numpy()
    return TrainingRows(frame, truth, rows["partition"], weights_of(rows, pipeline))


def read_training_rows(lake: Lake, pipeline: Pipeline, days: Sequence[LabelledDay]) -> TrainingRows:
    """Read the labelled rows of some days, by hash, to fit a model to.

    Raises:
        LakeError: a batch is gone.
        DataRefused: too few rows, labels of one kind only, or a feature that is infinite or a text without end.
    """
    training_rows = training_rows_of(pipeline, labelled_rows(lake, pipeline, days))
    check_training_rows(pipeline, training_rows)
    return training_rows


def check_training_rows(pipeline: Pipeline, training_rows: TrainingRows) -> None:
    """See that a model can be fitted to some rows.

    Raises:
        DataRefused: too few rows, labels of one kind only, or a feature that is infinite or a text without end.
    """
    training, label, rows = pipeline.training, pipeline.labels.column, len(training_rows.truth)
    truth, days, frame = training_rows.truth, training_rows.days, training_rows.frame
    if rows < training.minimum_rows:
        raise DataRefused(
            f"{pipeline.name}: {rows:,} rows have a label, training.minimum_rows requires "
            f"{training.minimum_rows:,}; look at why the others have none, or lower training.minimum_rows"
        )
    if pipeline.task == "classification" and len(np.unique(truth)) < 2:
        raise DataRefused(
            f"{pipeline.name}: label {label} is {truth[0]:g} in all {rows:,} rows; a classifier needs rows of both "
            "kinds"
        )
    if pipeline.task == "multiclass" and (lacking := absent(truth, pipeline.labels.classes)):
        raise DataRefused(
            f"{pipeline.name}: no row of {days.iloc[0]} to {days.iloc[-1]} has the label "
            f"{', '.join(lacking)}, and a model gives a probability for each of labels.classes; train on more days "
            "(training.window_days), group rare classes in the reader, or take the class out of labels.classes"
        )
    for name in pipeline.features.numeric:
        if (infinite := np.isinf(frame[name])).any():
            raise DataRefused(
                f"{pipeline.name}: feature {name} is infinite in {infinite.sum():,} of {rows:,} rows, first on "
                f"{days[infinite].iloc[0]}; no service takes such a row: have the transform leave it "
                "empty, and build these days again"
            )
    for name in pipeline.features.categorical:
        if (long := frame[name].str.len() > LONGEST_CATEGORY).any():
            raise DataRefused(
                f"{pipeline.name}: feature {name} has texts of more than {LONGEST_CATEGORY:,} characters in "
                f"{long.sum():,} of {rows:,} rows, first on {days[long].iloc[0]}; no service "
                "takes such a category: have the transform shorten or hash it, and build these days again"
            )
    _refuse_weightless(pipeline, training_rows)


def _refuse_weightless(pipeline: Pipeline, training_rows: TrainingRows) -> None:
    """See that some rows count, of every class where there are classes.

    Raises:
        DataRefused: they do not.
    """
    column = pipeline.training.sample_weight
    if column is None:
        return
    classes = class_names(pipeline) if pipeline.task != "regression" else []
    places = training_rows.truth.astype(np.intp) if classes else np.zeros(len(training_rows.truth), np.intp)
    # rows that all weigh nothing have no weights at all
    weights = np.zeros(len(places)) if training_rows.weights is None else training_rows.weights
    totals = np.bincount(places, weights=weights, minlength=len(classes))
    if (lacking := np.flatnonzero(totals <= 0)).size:
        which = f"with label {classes[lacking[0]]} " if classes else ""
        raise DataRefused(
            f"{pipeline.name}: training.sample_weight {column} is 0 in every row {which}of "
            f"{training_rows.days.iloc[0]} to {training_rows.days.iloc[-1]}, so that nothing is learned of them; "
            "expected a positive weight in some of them"
        )


def fit_rows(
    pipeline: Pipeline, training_rows: TrainingRows, checkpoints: Checkpoints | None = None, start: Start | None = None
) -> Fitted:
    """Fit the model that a pipeline declares to some rows, each counting as the pipeline says.

    Args:
        pipeline: its declaration.
        training_rows: the rows.
        checkpoints: where a long fit is stored piece by piece, and goes on from; None stores nothing.
        start: the model to go on from; None: from nothing.

    Raises:
        SpecError: the estimator does not know a parameter.
        ModelRefused: it cannot be fitted.
    """
    weights = fit_weights(pipeline, training_rows.truth, training_rows.weights)
    if start is not None:
        return _gone_on(start, pipeline, training_rows, weights)
    rows = FitRows(training_rows.frame, training_rows.truth, weights)
    return fit(pipeline.training, pipeline.features, pipeline.task, rows, checkpoints)


@step("fit")
def _gone_on(start: Start, pipeline: Pipeline, training_rows: TrainingRows, weights: Array | None) -> Fitted:
    try:
        model, device = go_on(start, pipeline.training, training_rows, weights)
    except (MemoryError, ModelRefused):
        raise
    except Exception as error:  # as in `fit`
        raise ModelRefused(f"version {start.version} could not be gone on from: {cause(error)}") from error
    return Fitted(model, device)


@step("fit")
def fit(
    training: Training, features: Features, task: Task, rows: FitRows, checkpoints: Checkpoints | None = None
) -> Fitted:
    """Fit a model to rows; the same rows and the same declaration give the same model.

    Args:
        training: estimator, parameters and seed.
        features: the columns.
        task: kind of label.
        rows: to learn from.
        checkpoints: where a long fit is stored piece by piece, and goes on from; None stores nothing.

    Raises:
        SpecError: the estimator does not know a parameter.
        ModelRefused: it cannot be fitted.
    """
    frame, truth, weights = rows.frame, rows.truth, rows.weights
    if task == "multiclass" and (gaps := np.setdiff1d(np.arange(truth.max()), truth)).size:
        raise ModelRefused(f"no row has a label of class number {', '.join(f'{n:g}' for n in gaps)}, counted from 0")
    never_seen = [name for name in features.numeric if frame[name].isna().all()]
    if never_seen:
        log.warning("no training row has %s: nothing is learned of it", ", ".join(never_seen))
    model = build_model(training, features, task, never_seen)
    log.info("fitting %s to %s rows x %s columns", training.estimator, len(frame), frame.shape[1])
    try:
        if training.estimator in FAMILIES and is_boosted(model):
            fit_boosted(model, frame, truth, checkpoints, weights)
        elif training.estimator in FAMILIES and in_pieces(model):
            fit_pieces(model, frame, truth, checkpoints, weights)
        elif training.estimator == "tabular_net":
            model.fit(frame, truth, **weight_arguments(model, weights), estimator__checkpoints=checkpoints)
        else:
            model.fit(frame, truth, **weight_arguments(model, weights))
    except (MemoryError, ModelRefused):
        raise  # tried again on a quieter machine, it may come to its end
    except Exception as error:  # estimators raise whatever their authors thought of
        size = f"{len(frame):,} rows x {frame.shape[1]} columns"
        raise ModelRefused(f"{training.estimator} could not be fitted to {size}: {cause(error)}") from error
    device = device_used(model)
    log.info("fitted on %s", device)
    settle_for_prediction(model)
    return Fitted(model, device)
