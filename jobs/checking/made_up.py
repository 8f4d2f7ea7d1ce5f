"""Rows that nobody has ever seen: enough of them, with gaps, to find out what code and rules make of any row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.models.prediction import Array, model_frame

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

SEEN = ("ash", "beech", "cedar")
UNSEEN = "dogwood"
MISSING = 7
"""One value in so many is missing."""


@dataclass(frozen=True)
class MadeUp:
    """Rows to fit a model to, and rows to ask it for.

    Attributes:
        frame: feature columns as every model sees them, with missing values.
        truth: labels of all kinds; positive numbers for a regression.
        incomplete: rows with a missing value, and a category that the others have not.
    """

    frame: pd.DataFrame
    truth: Array
    incomplete: pd.DataFrame

    @property
    def without_gaps(self) -> MadeUp:
        """The same rows without missing values and new categories."""
        kinds = self.frame.dtypes
        frame = self.frame.fillna({n: 1.0 if kinds[n] == np.float64 else SEEN[0] for n in self.frame.columns})
        return MadeUp(frame, self.truth, frame.head(len(self.incomplete)))


def made_up_rows(pipeline: Pipeline, count: int) -> MadeUp:
    """Rows of the columns that a pipeline declares; the same ones each time.

    Args:
        pipeline: names the features and the task.
        count: rows to fit to.
    """
    rng = np.random.default_rng(0)
    every = np.arange(count)
    columns: dict[str, object] = {}
    for position, name in enumerate(pipeline.features.numeric):
        columns[name] = np.where((every + position) % MISSING == 0, np.nan, rng.gamma(2.0, 1.0, count))
    for position, name in enumerate(pipeline.features.categorical):
        known = rng.choice(np.array(SEEN, dtype=object), count)
        columns[name] = pd.Series(known, dtype=object).mask((every + position) % MISSING == 0, None)
    frame = model_frame(pd.DataFrame(columns, index=every), pipeline.features)
    kinds = len(pipeline.labels.classes) or 2
    truth = rng.gamma(2.0, 1.0, count) + 0.1 if pipeline.task == "regression" else (every % kinds).astype("float64")
    incomplete = frame.head(20).copy()
    for name in pipeline.features.categorical:
        incomplete.loc[incomplete.index[1], name] = UNSEEN
    return MadeUp(frame, truth, incomplete)
