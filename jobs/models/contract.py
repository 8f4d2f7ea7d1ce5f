"""The contract of a model: what it accepts, and rows with their right answers, for whoever serves it.

It is the artifact `contract.json` of every version, and all that the service knows of the model's input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentos.outputs import Outputs
from jobs.models.prediction import Array, Model, Task, predict
from tidewheel.spec.sections import Features
from tidewheel.unknown import known_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

GOLDEN_ROWS = 20
SERVED_TEXT = 1_000
"""Characters of a category that a service takes in any case."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberColumn(_Part):
    """A numeric feature."""

    type: Literal["number"] = "number"
    name: str
    nullable: bool = Field(description="training saw rows without it")
    minimum: float | None = Field(description="smallest value in training; None: it was always missing")
    maximum: float | None = Field(description="largest value in training")


class CategoryColumn(_Part):
    """A categorical feature."""

    type: Literal["category"] = "category"
    name: str
    nullable: bool = Field(description="training saw rows without it")
    categories: tuple[str, ...] = Field(description="values in training, in order")
    longest: int = Field(
        default=SERVED_TEXT, description="characters of the longest text that the service takes: training's at least"
    )


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="type")]


class GoldenRow(_Part):
    """A real row and what the model, asked offline, says to it."""

    row: dict[str, float | str | None]
    prediction: float | tuple[float, ...] = Field(description="multiclass: the probability of each class")


class Contract(_Part):
    """What a model accepts and answers."""

    format: Literal[1] = 1
    pipeline: str
    task: Task
    columns: tuple[Column, ...]
    golden_rows: tuple[GoldenRow, ...]
    classes: tuple[str | int, ...] = Field(
        default=(), description="multiclass: names of the classes, in the order of the model's probabilities"
    )

    @property
    def outputs(self) -> Outputs:
        """The columns of a prediction."""
        return Outputs(self.classes)

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [column.name for column in self.columns if column.type == "number"]

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical columns, in order."""
        return [column.name for column in self.columns if column.type == "category"]

    def lacking(self, features: Features) -> list[str]:
        """Columns that this model wants and that the pipeline's features have no more, or as another type."""
        there = {*((n, "number") for n in features.numeric), *((n, "category") for n in features.categorical)}
        return [column.name for column in self.columns if (column.name, column.type) not in there]


def write_contract(
    pipeline: str,
    task: Task,
    features: Features,
    frame: pd.DataFrame,
    model: Model,
    classes: Sequence[str | int] = (),
) -> Contract:
    """Describe a model by the rows it was trained on.

    Args:
        pipeline: its name.
        task: kind of label.
        features: tells numbers from categories.
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
        longest=max(SERVED_TEXT, *map(len, categories), 0),
    )
