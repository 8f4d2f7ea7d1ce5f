"""Parts of the rows: challenger against champion slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobs.evaluation.comparison import PairedRows, resample
from jobs.models.metrics import measure
from jobs.models.prediction import Task
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.policies.gate.measurement import SliceComparison
from tidewheel.policies.gate.slices import SlicePolicy

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
    rows: PairedRows,
    values: pd.DataFrame,
    policy: SlicePolicy,
    *,
    task: Task,
    seed: int,
    failures: PartialFailures = RAISING,
) -> tuple[SliceComparison, ...]:
    """Compare two models where a column has each of its values.

    Args:
        rows: what both models predict.
        values: the columns that slices are made of, of the same rows.
        policy: what each slice must show; of a slice with fewer rows than it asks for, only their number is reported.
        task: kind of label.
        seed: of the resampling.
        failures: takes note of a slice that cannot be compared; it shows nothing then, as one with too few rows.

    Returns:
        Slices by column and value.
    """
    slices = []
    for column in values:
        for value, mask in masks(values, str(column)):
            name, count = f"{column}={value}", int(mask.sum())
            one = SliceComparison(name, count, *[math.nan] * 5)
            if count >= policy.minimum_rows:
                with failures.named(f"slice {name}"):
                    one = _compared(name, rows.where(mask), policy, task, seed)
            slices.append(one)
    return tuple(slices)


def _compared(name: str, rows: PairedRows, policy: SlicePolicy, task: Task, seed: int) -> SliceComparison:
    drawn = resample(rows, seed=seed)
    challenger, champion = (
        measure(rows.truth, said, task, weights=rows.weights, loss=rows.loss)[rows.metric]
        for said in (rows.challenger, rows.champion)
    )
    return SliceComparison(
        name=name,
        rows=len(rows.truth),
        challenger=challenger,
        champion=champion,
        loss_difference=drawn.difference,
        upper_bound=drawn.upper_bound(policy.confidence),
        harm_probability=drawn.probability_beyond(policy.margin * abs(champion)),
    )
