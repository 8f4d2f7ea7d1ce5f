"""Writing the contract of a model: what it accepts, and rows with the right predictions, from its training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentos.contract import LONGEST_CATEGORY, CategoryColumn, Contract, GoldenRow, NumberColumn
from jobs.models.prediction import Array, FittedModel, Task, predict
from tidewheel.spec.sections import Features
from tidewheel.unknown import known_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tidewheel.spec.sections import Features

GOLDEN_ROWS = 20


def missing_columns(contract: Contract, features: Features) -> list[str]:
    """Columns that a model needs and that the pipeline's features no longer have, or have as another type."""
    declared = {*((n, "number") for n in features.numeric), *((n, "category") for n in features.categorical)}
    return [column.name for column in contract.columns if (column.name, column.type) not in declared]


def write_contract(
    pipeline: str,
    task: Task,
    features: Features,
    frame: pd.DataFrame,
    model: FittedModel,
    classes: Sequence[str | int] = (),
) -> Contract:
    """Describe a model by the rows it was trained on.

    Args:
        pipeline: its name.
        task: kind of label.
        features: which columns are numbers and which are categories.
        frame: training rows as `jobs.models.prediction.model_frame` makes them.
        model: the fitted model.
        classes: multiclass: names of its classes, in order.

    Returns:
        The contract, with about 20 golden rows: spread over the training time, and for each column that has missing
        values a row where it is missing.
    """
    numbers = [_number(frame[name]) for name in features.numeric]
    categories = [_category(frame[name]) for name in features.categorical]
    golden = _golden_rows(frame)
    answers: Array = predict(model, golden, task)
    rows = [{str(name): known_or_none(value) for name, value in row.items()} for row in golden.to_dict("records")]
    return Contract(
        pipeline=pipeline,
        task=task,
        columns=(*numbers, *categories),
        golden_rows=tuple(GoldenRow(row=r, prediction=a) for r, a in zip(rows, answers.tolist(), strict=True)),
        classes=tuple(classes),
    )


def _golden_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows at even steps through the training time, then the first row with a missing value of each column."""
    spread = {round(n * (len(frame) - 1) / (GOLDEN_ROWS - 1)) for n in range(GOLDEN_ROWS)}
    missing = frame.isna()
    lacking = {int(missing[name].to_numpy().argmax()) for name in frame.columns if missing[name].any()}
    return frame.iloc[sorted(spread | lacking)]


def _number(values: pd.Series[Any]) -> NumberColumn:
    known = values.dropna()
    return NumberColumn(
        name=str(values.name),
        nullable=len(known) < len(values),
        minimum=float(known.min()) if len(known) else None,
        maximum=float(known.max()) if len(known) else None,
    )


def _category(values: pd.Series[Any]) -> CategoryColumn:
    known = values.dropna()
    categories = tuple(sorted(known.unique()))
    return CategoryColumn(
        name=str(values.name),
        nullable=len(known) < len(values),
        categories=categories,
        longest=max(LONGEST_CATEGORY, *map(len, categories), 0),
    )
