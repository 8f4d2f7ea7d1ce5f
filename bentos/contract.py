"""The contract of a model: what it accepts and predicts, and rows with the right predictions.

It is the artifact `contract.json` of every version, written when the model is trained, and all that a service knows of
the model's input.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bentos.outputs import Outputs

CONTRACT = "contract.json"
FORMAT: Literal[1] = 1
LONGEST_CATEGORY = 1_000
"""Characters of a category that a service takes in any case."""

Task = Literal["classification", "multiclass", "regression"]
Row = dict[str, float | str | None]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberColumn(_FrozenModel):
    """A numeric feature."""

    type: Literal["number"] = "number"
    name: str
    nullable: bool = Field(description="training saw rows without it")
    minimum: float | None = Field(description="smallest value in training; None: it was always missing")
    maximum: float | None = Field(description="largest value in training")

    @property
    def expected(self) -> str:
        """What may stand in this field, in words."""
        return "a number or null" if self.nullable else "a number"


class CategoryColumn(_FrozenModel):
    """A categorical feature."""

    type: Literal["category"] = "category"
    name: str
    nullable: bool = Field(description="training saw rows without it")
    categories: tuple[str, ...] = Field(description="values in training, in order")
    longest: int = Field(
        default=LONGEST_CATEGORY,
        description="characters of the longest text that the service takes: training's at least",
    )

    @cached_property
    def known(self) -> frozenset[str]:
        """The categories, to look one up."""
        return frozenset(self.categories)

    @property
    def expected(self) -> str:
        """What may stand in this field, in words."""
        return "text or null" if self.nullable else "text"


Column = Annotated[NumberColumn | CategoryColumn, Field(discriminator="type")]


class GoldenRow(_FrozenModel):
    """A real row, and what the model predicted for it offline."""

    row: Row
    prediction: float | tuple[float, ...] = Field(description="multiclass: the probability of each class")


class Contract(_FrozenModel):
    """What a model accepts and predicts."""

    format: Literal[1] = FORMAT
    pipeline: str
    task: Task
    columns: tuple[Column, ...]
    golden_rows: tuple[GoldenRow, ...]
    classes: tuple[str | int, ...] = Field(
        default=(), description="multiclass: names of the classes, in the order of the model's probabilities"
    )

    @cached_property
    def outputs(self) -> Outputs:
        """The columns of a prediction."""
        return Outputs(self.classes)

    @property
    def numbers(self) -> tuple[NumberColumn, ...]:
        """The numeric columns, in order."""
        return tuple(column for column in self.columns if isinstance(column, NumberColumn))

    @property
    def categories(self) -> tuple[CategoryColumn, ...]:
        """The categorical columns, in order."""
        return tuple(column for column in self.columns if isinstance(column, CategoryColumn))

    @property
    def numeric(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [column.name for column in self.numbers]

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical columns, in order."""
        return [column.name for column in self.categories]
