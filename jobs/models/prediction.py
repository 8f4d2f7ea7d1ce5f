"""What a model takes and what it answers: the one place that says so, for training, scoring and monitoring alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from bentos.contract import Task as Task  # training, evaluation and scoring take it from here
from bentos.outputs import aligned

if TYPE_CHECKING:
    from bentos.contract import Contract
    from tidewheel.spec import Pipeline

Array = np.ndarray[Any, np.dtype[np.float64]]
"""One number a row; predictions of several classes have a column for each."""


class FittedModel(Protocol):
    """A fitted scikit-learn estimator that takes a frame of feature columns."""

    def predict(self, frame: pd.DataFrame) -> Any:
        """Predict one value a row."""
        ...

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        """Classifiers only: the probability of each class, one row a row."""
        ...


class FeatureColumns(Protocol):
    """Whatever names numeric and categorical columns: a pipeline's features, or a model's contract."""

    @property
    def numeric(self) -> list[str]:
        """Numeric columns, in order."""
        ...

    @property
    def categorical(self) -> list[str]:
        """Categorical columns, in order."""
        ...


def model_frame(rows: pd.DataFrame, features: FeatureColumns) -> pd.DataFrame:
    """The feature columns as every model sees them.

    Args:
        rows: at least the feature columns, any number types and strings.
        features: names them.

    Returns:
        The feature columns, numeric first: numbers as float64 with NaN for a missing one, categories as
        `str` objects with None for a missing one.
    """
    columns: dict[str, pd.Series[Any]] = {name: rows[name].astype("float64") for name in features.numeric}
    for name in features.categorical:
        columns[name] = _texts(rows[name])
    return pd.DataFrame(columns, index=rows.index)


def _texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Categories as text, written as Spark writes them; None for a missing one."""
    text = values.astype(object)
    missing = text.isna()
    if missing.all():
        return pd.Series([None] * len(text), index=text.index, dtype=object, name=text.name)
    if pd.api.types.infer_dtype(text, skipna=True) != "string":
        text = text.map(lambda value: str(value).lower() if isinstance(value, bool | np.bool_) else str(value))
    return text.mask(missing, None)


def predict(model: FittedModel, frame: pd.DataFrame, task: Task) -> Array:
    """Ask a model: the probability of label 1, of each class for multiclass, the value for regression.

    Args:
        model: a fitted model.
        frame: feature columns as `model_frame` makes them, one row a prediction.
        task: the pipeline's kind of label.

    Returns:
        One float64 a row; for multiclass one row of probabilities a row.
    """
    answer = model.predict(frame) if task == "regression" else model.predict_proba(frame)
    return np.asarray(answer[:, 1] if task == "classification" else answer, dtype=np.float64)


def answers_of(model: FittedModel, contract: Contract, rows: pd.DataFrame, pipeline: Pipeline) -> Array:
    """Ask a version that may have been trained under another declaration, so that its answers can be compared.

    Args:
        model: of the version.
        contract: of the version.
        rows: at least the columns that the contract names.
        pipeline: as declared now.

    Returns:
        As `predict`; for multiclass in the order of the pipeline's classes, 0 for one that the version does not know.
    """
    said = predict(model, model_frame(rows, contract), pipeline.task)
    return aligned(said, contract.classes, pipeline.labels.classes) if pipeline.task == "multiclass" else said
