"""The labels of a day's rows, as far as the source has them; made up where no model could be fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from jobs.data.label_numbers import label_numbers

if TYPE_CHECKING:
    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class KnownLabels:
    """The labels of some rows, in their order.

    Attributes:
        truth: one a row, NaN where it is unknown.
        are_real: whether the source gave them.
        objection: why those that the source gave cannot be used; empty where they can, or where it gave none.
    """

    truth: Array
    are_real: bool
    objection: str = ""


def labels_of_rows(lake: Lake, pipeline: Pipeline, day: date, rows: pd.DataFrame) -> KnownLabels:
    """The published labels of a day's rows.

    Args:
        lake: where they are published.
        pipeline: names key and label.
        day: of the rows.
        rows: at least their key.
    """
    key, label = pipeline.key, pipeline.labels.column
    made_up = np.arange(len(rows), dtype=np.float64)
    kinds = len(pipeline.labels.classes) or 2
    made_up = made_up + 1 if pipeline.task == "regression" else made_up % kinds
    published = lake.published("labels", str(day))
    if published is None:
        return KnownLabels(made_up, are_real=False)
    labels = lake.read(published, [*key, label]).to_pandas()
    truth = label_numbers(rows[key].merge(labels, on=key, how="left")[label], pipeline)
    known = truth[np.isfinite(truth)]
    if not len(known):
        objection = (
            f"none of the {len(labels)} labels of {day} has the key of a row; rule: labels have the key of the rows"
        )
        return KnownLabels(made_up, are_real=False, objection=objection)
    if pipeline.task != "regression" and len(np.unique(known)) < kinds:  # no classifier learns from one kind alone
        return KnownLabels(made_up, are_real=False)
    return KnownLabels(truth, are_real=True)
