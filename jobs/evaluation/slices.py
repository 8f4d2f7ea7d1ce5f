"""Parts of the rows: challenger against champion slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jobs.data.training_data import PARTITION
from jobs.evaluation.comparison import resample
from jobs.models.metrics import measure
from jobs.models.prediction import Array, Task
from jobs.models.row_weights import at
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.policies.gate_measurement import SliceComparison
from tidewheel.spec.losses import SQUARED_ERROR, Loss

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tidewheel.spec import Pipeline

    Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

MISSING = "(missing)"
"""Name of the slice of rows that lack the column's value; in more brackets where a value is called so itself."""


def masks(rows: pd.DataFrame, column: str) -> Iterator[tuple[str, Mask]]:
    """Each value of a column in order, and which rows have it; missing is a value of its own."""
    values = category_texts(rows[column])
    for value in sorted(values.unique()):
        yield value, (values == value).to_numpy()


def with_class_names(rows: pd.DataFrame, pipeline: Pipeline) -> pd.DataFrame:
    """Labelled rows with the names of the classes in the label column; other tasks' rows as they are.

    Args:
        rows: with the label as `jobs.data.training_data.labelled_rows` gives it.
        pipeline: names label, task and classes.
    """
    label = pipeline.labels.column
    if pipeline.task != "multiclass" or label not in rows:
        return rows
    names = dict(enumerate(map(str, pipeline.labels.classes)))
    return rows.assign(**{label: rows[label].map(names)})


def category_texts(column: pd.Series[Any]) -> pd.Series[str]:
    """A column's values as text, a missing one as `MISSING`."""
    there, missing = column.notna(), MISSING
    while (column[there].astype(str) == missing).any():
        missing = f"({missing})"
    return column.astype(object).where(there, missing).astype(str)


def compare_slices(
    metric: str,
    truth: Array,
    challenger: Array,
    champion: Array,
    rows: pd.DataFrame,
    *,
    task: Task,
    columns: Sequence[str],
    margin: float,
    confidence: float,
    minimum_rows: int,
    seed: int,
    row_weights: Array | None = None,
    loss: Loss = SQUARED_ERROR,
    failures: PartialFailures = RAISING,
) -> tuple[SliceComparison, ...]:
    """Compare two models where a column has each of its values.

    Args:
        metric: one of `jobs.evaluation.comparison.COMPARED`.
        truth: labels, one a row.
        challenger: predictions of the challenger for the same rows.
        champion: predictions of the champion for the same rows.
        rows: the same rows, with their day (`partition`) and the columns.
        task: kind of label.
        columns: what slices are made of.
        margin: share of the champion's figure that counts as harm when it is exceeded.
        confidence: one-sided confidence of each slice's bound.
        minimum_rows: of a slice with fewer, only the number of rows is told.
        seed: of the resampling.
        row_weights: how much each row counts; None: all the same.
        loss: what a regression minimises.
        failures: takes note of a slice that cannot be compared; it shows nothing then, as one with too few rows.

    Returns:
        Slices by column and value.
    """
    found = []
    for column in columns:
        for value, mask in masks(rows, column):
            name, count = f"{column}={value}", int(mask.sum())
            one = SliceComparison(name, count, *[math.nan] * 5)
            if count >= minimum_rows:
                with failures.named(f"slice {name}"):
                    one = _compared(
                        name,
                        metric,
                        truth[mask],
                        challenger[mask],
                        champion[mask],
                        rows[PARTITION][mask],
                        task=task,
                        margin=margin,
                        confidence=confidence,
                        seed=seed,
                        row_weights=at(row_weights, mask),
                        loss=loss,
                    )
            found.append(one)
    return tuple(found)


def _compared(
    name: str,
    metric: str,
    truth: Array,
    ours: Array,
    theirs: Array,
    days: pd.Series[str],
    *,
    task: Task,
    margin: float,
    confidence: float,
    seed: int,
    row_weights: Array | None,
    loss: Loss,
) -> SliceComparison:
    drawn = resample(metric, truth, ours, theirs, days, seed=seed, row_weights=row_weights, loss=loss)
    new, old = (measure(truth, said, task, weights=row_weights, loss=loss)[metric] for said in (ours, theirs))
    return SliceComparison(
        name=name,
        rows=len(truth),
        challenger=new,
        champion=old,
        loss_difference=drawn.difference,
        upper_bound=drawn.upper_bound(confidence),
        harm_probability=drawn.probability_beyond(margin * abs(old)),
    )
