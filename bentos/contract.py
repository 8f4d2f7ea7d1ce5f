"""What a model accepts: the contract and the facts that were packaged beside this service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bentos.outputs import ONE_NUMBER, Outputs

CONTRACT, FACTS, MODEL, EXPLANATION = "contract.json", "service.json", "model.bin", "explanation.bin"
FORMAT = 1

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One field of a row.

    Attributes:
        number: a number; otherwise a category, which is text.
        nullable: may be null or left out.
        minimum: smallest number in training.
        maximum: largest number in training.
        categories: the categories in training.
        longest: characters of the longest text that is taken.
    """

    name: str
    number: bool
    nullable: bool
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    longest: int = 1000

    @cached_property
    def known(self) -> frozenset[str]:
        """The categories, to look one up."""
        return frozenset(self.categories)

    @property
    def expected(self) -> str:
        """What may stand in this field, in words."""
        kind = "a number" if self.number else "text"
        return f"{kind} or null" if self.nullable else kind


@dataclass(frozen=True)
class GoldenRow:
    """A real row, and what the model said to it offline."""

    row: Row
    prediction: float | tuple[float, ...]
    """Multiclass: the probability of each class."""


@dataclass(frozen=True)
class Packaged:
    """Everything that was packaged with the model.

    Attributes:
        pipeline: its name.
        description: what the model predicts, in a sentence.
        task: classification, multiclass or regression.
        version: version in the registry.
        format: form of the compiled model.
        maximum_rows: most rows in one request.
        refuse_unknown: an unknown category is an error; otherwise it is answered and flagged.
        log_sample: share of the requests that go to the prediction log.
        columns: the fields of a row.
        key: fields a row may have besides, which say whose it is; they go to the prediction log, not to the model.
        golden_rows: rows with their right answers.
        outputs: the columns of a prediction.
    """

    pipeline: str
    description: str
    task: str
    version: str
    format: str
    maximum_rows: int
    refuse_unknown: bool
    log_sample: float
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    golden_rows: tuple[GoldenRow, ...]
    outputs: Outputs = ONE_NUMBER

    @cached_property
    def numbers(self) -> tuple[Column, ...]:
        """The numeric columns."""
        return tuple(column for column in self.columns if column.number)

    @cached_property
    def categories(self) -> tuple[Column, ...]:
        """The categorical columns."""
        return tuple(column for column in self.columns if not column.number)

    @property
    def meaning(self) -> str:
        """What a prediction is."""
        if self.outputs.classes:
            return f"class ({', '.join(self.outputs.names)}), beside the probability of each"
        return "probability, from 0 to 1" if self.task == "classification" else "predicted value"

    @classmethod
    def read(cls, folder: Path) -> Packaged:
        """Read the files of a packaged model.

        Raises:
            ValueError: the contract is of another format than this service reads.
        """
        contract = json.loads((folder / CONTRACT).read_text(encoding="utf-8"))
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if contract["format"] != FORMAT:
            raise ValueError(f"{folder / CONTRACT} has format {contract['format']}, this service reads {FORMAT}")
        return cls(
            pipeline=contract["pipeline"],
            description=facts["description"],
            task=contract["task"],
            version=facts["version"],
            format=facts["format"],
            maximum_rows=facts["maximum_rows"],
            refuse_unknown=facts["unknown_categories"] == "refuse",
            log_sample=facts["log_sample"],
            columns=tuple(_column(column) for column in contract["columns"]),
            key=tuple(facts["key"]),
            golden_rows=tuple(map(_golden, contract["golden_rows"])),
            outputs=Outputs(tuple(contract.get("classes", ()))),
        )


def _golden(described: Mapping[str, Any]) -> GoldenRow:
    prediction = described["prediction"]
    return GoldenRow(described["row"], tuple(prediction) if isinstance(prediction, list) else prediction)


def _column(described: Mapping[str, Any]) -> Column:
    name, nullable = described["name"], described["nullable"]
    if described["type"] == "number":
        return Column(name, True, nullable, described["minimum"], described["maximum"])
    return Column(
        name, False, nullable, categories=tuple(described["categories"]), longest=described.get("longest", 1000)
    )
