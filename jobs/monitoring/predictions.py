"""What versions predicted, read back from the columns that batch scoring and the endpoint write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentos.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline

VERSION = "model_version"


def predictions_of(rows: pd.DataFrame, pipeline: Pipeline) -> Array:
    """Predictions as `jobs.models.prediction.predict` gives them.

    Args:
        rows: with the columns of predictions.
        pipeline: names the task and its classes. Of a class that the version did not know the probability is 0.
    """
    outputs = Outputs(tuple(pipeline.labels.classes))
    return outputs.read({name: rows[name] for name in outputs.columns if name in rows}, len(rows))


def answer_columns(pipeline: Pipeline, there: Collection[str]) -> list[str]:
    """The columns of a prediction and of the version that made it.

    Args:
        pipeline: names the task and its classes.
        there: columns that the batch has; one of a class that its versions did not know is left out.
    """
    prediction, *probabilities = Outputs(tuple(pipeline.labels.classes)).columns
    return [prediction, *(name for name in probabilities if name in there), VERSION]
