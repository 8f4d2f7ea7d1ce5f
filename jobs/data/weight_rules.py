"""What the weights of rows must be: numbers of 0 or more, not all of a day 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidewheel.errors import DataRefused

if TYPE_CHECKING:
    import pandas as pd

REMEDY = "correct the source or the transform, and build these days again"


def refuse_unusable_weights(weights: pd.Series[Any], days: pd.Series[str] | str, pipeline: str) -> None:
    """See that rows have weights that a fit and a mean can use.

    Args:
        weights: one a row, under the name of their column.
        days: day of each row, or of all of them.
        pipeline: its name, for the message.

    Raises:
        DataRefused: a weight is missing, infinite or negative.
    """
    values = weights.to_numpy(dtype="float64", na_value=np.nan)
    where, of_rows = f"{pipeline}: training.sample_weight {weights.name}", np.broadcast_to(days, values.shape)
    for wrong, words in (
        (np.isnan(values), "has no value"),
        (np.isinf(values), "is infinite"),
        (values < 0, "is negative"),
    ):
        if wrong.any():
            example = "" if words == "has no value" else f" (for example {values[wrong][0]:g})"
            raise DataRefused(
                f"{where} {words} in {wrong.sum():,} of {len(values):,} rows, first on {of_rows[wrong][0]}{example}; "
                f"expected a number of 0 or more for every row: {REMEDY}"
            )


def refuse_day_without_weight(weights: pd.Series[Any], day: str, pipeline: str) -> None:
    """See that a day has weights that can be used, and that some row of it counts.

    Args:
        weights: one a row, under the name of their column.
        day: of the rows.
        pipeline: its name, for the message.

    Raises:
        DataRefused: a weight is missing, infinite or negative, or all of them are 0.
    """
    refuse_unusable_weights(weights, day, pipeline)
    if len(weights) and not (weights > 0).any():
        raise DataRefused(
            f"{pipeline}: training.sample_weight {weights.name} is 0 in every row of {day}, so that nothing of the day "
            f"counts; expected a positive weight in some row: {REMEDY}, or leave such rows out in the source"
        )
