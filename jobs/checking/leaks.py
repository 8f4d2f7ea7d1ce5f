"""Features that know the label: one that tells it apart on every row of a day has most likely been made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from jobs.models.prediction import Array, Task

FEWEST = 20
"""Rows; of fewer, a good feature may tell the label by chance."""
ALL_BUT = 0.9999
"""Correlation from which a number is the label, scaled."""


def leaking(frame: pd.DataFrame, truth: Array, task: Task) -> Iterator[str]:
    """Names of the feature columns that predict the label of every row.

    Args:
        frame: feature columns, as `jobs.models.prediction.model_frame` makes them.
        truth: the labels of these rows.
        task: kind of label.
    """
    if len(frame) < FEWEST or len(np.unique(truth)) < 2:
        return
    for name in frame.columns:
        values = frame[name]
        if values.nunique(dropna=False) < 2:
            continue
        tells = _number_tells if values.dtype == np.float64 else _category_tells
        if tells(values, truth, task):
            yield str(name)


def _number_tells(values: pd.Series[float], truth: Array, task: Task) -> bool:
    known = values.notna().to_numpy()
    number, label = values.to_numpy()[known], truth[known]
    if len(number) < FEWEST or len(np.unique(label)) < 2:
        return False
    if task == "regression":
        return bool(np.std(number) > 0 and abs(np.corrcoef(number, label)[0, 1]) > ALL_BUT)
    if task == "multiclass":  # sorted by the number, the rows of each class must lie beside one another
        ordered = pd.Series(number).groupby(label).agg(["min", "max"]).sort_values("min")
        return bool((ordered["min"].to_numpy()[1:] > ordered["max"].to_numpy()[:-1]).all())
    positive, negative = number[label == 1], number[label == 0]
    return bool(positive.min() > negative.max() or positive.max() < negative.min())


def _category_tells(values: pd.Series[Any], truth: Array, task: Task) -> bool:
    groups = values.fillna("").groupby(values.fillna("")).indices
    if len(groups) > len(truth) / 4:  # nearly a key: it tells every row from every other
        return False
    return all(np.ptp(truth[rows]) == 0 for rows in groups.values())
