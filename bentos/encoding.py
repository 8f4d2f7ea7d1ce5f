"""Rows as a compiled model takes them, and how they become the matrix that its estimator takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

Matrix = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Coded:
    """A categorical column of many rows: for each row, which of a few values it has.

    Attributes:
        codes: place of each row's value in `values`.
        values: distinct values, None for a missing one.
    """

    codes: np.ndarray[Any, np.dtype[np.intp]]
    values: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.expanded())

    def first_row(self, place: int) -> int:
        """The first row that has a value, by its place in `values`; 0 where none has it."""
        return int(np.argmax(self.codes == place))

    def expanded(self) -> Matrix:
        """The value of each row."""
        values = np.empty(len(self.values), dtype=object)
        values[:] = self.values
        expanded: Matrix = values[self.codes]
        return expanded


Values = Sequence[str | None] | Coded


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as a compiled model takes them, the columns in the order of its contract.

    Attributes:
        numbers: float64, one line a row, one column a numeric feature; NaN for a missing one.
        categories: for each categorical feature one text a row; None for a missing one.
    """

    numbers: Matrix
    categories: tuple[Values, ...]

    def __len__(self) -> int:
        return len(self.numbers)


class UnknownCategory(ValueError):
    """The model was made so that it cannot take a category it has not seen."""


@dataclass(frozen=True)
class Number:
    """A numeric column: each of its outputs is `factor * value + offset`, or `missing` where there is no value."""

    name: str
    positions: tuple[int, ...]
    factors: tuple[float, ...]
    offsets: tuple[float, ...]
    missing: tuple[float, ...]


@dataclass(frozen=True)
class Category:
    """A categorical column: its outputs by category, for an unknown one and for none.

    `unknown` or `missing` is None where the model cannot take such a value.
    """

    name: str
    positions: tuple[int, ...]
    table: Mapping[str, tuple[float, ...]]
    unknown: tuple[float, ...] | None
    missing: tuple[float, ...] | None

    def fill(self, matrix: Matrix, values: Values) -> None:
        """Write this column's outputs.

        Raises:
            UnknownCategory: a value that the model cannot take.
        """
        if isinstance(values, Coded):
            if self.positions:
                matrix[:, self.positions] = np.array(self._outputs(values.values))[values.codes]
            return
        rows = self._outputs(values)
        for place, position in enumerate(self.positions):
            matrix[:, position] = [row[place] for row in rows]

    def _outputs(self, values: Sequence[str | None]) -> list[tuple[float, ...]]:
        rows = [self.missing if value is None else self.table.get(value, self.unknown) for value in values]
        if None in rows:
            value = values[rows.index(None)]
            raise UnknownCategory(f"column {self.name!r}: the model cannot take {value!r}")
        return rows  # type: ignore[return-value]  # None was refused above


@dataclass(frozen=True)
class Encoding:
    """How columns become the matrix that the estimator takes; its own are in the order of the contract too."""

    base: tuple[float, ...]
    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]

    @property
    def columns(self) -> tuple[Number | Category, ...]:
        """All columns, numbers first."""
        return (*self.numbers, *self.categories)

    def matrix(self, columns: Columns, kind: type[np.floating[Any]] = np.float64) -> Matrix:
        """The matrix of these columns, one row a row.

        Raises:
            UnknownCategory: a value that the model cannot take.
        """
        matrix = np.empty((len(columns), len(self.base)), kind)
        matrix[:] = self._base
        # All numbers at once: for one row, a call for each column would cost more than the model.
        matrix[:, self._lines.positions] = self._lines(columns.numbers)
        for category, values in zip(self.categories, columns.categories, strict=True):
            category.fill(matrix, values)
        return matrix

    @cached_property
    def _lines(self) -> _Lines:
        return _Lines.of(self.numbers)

    @cached_property
    def _base(self) -> Matrix:
        return np.array(self.base)

    def to_json(self) -> bytes:
        """As `from_json` reads it."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Encoding:
        """Read what `to_json` wrote."""
        encoding = json.loads(content)
        return cls(
            base=tuple(encoding["base"]),
            numbers=tuple(Number(**number) for number in encoding["numbers"]),
            categories=tuple(Category(**category) for category in encoding["categories"]),
        )


@dataclass(frozen=True)
class _Lines:
    """The numeric columns' outputs as arrays, to compute all of them in one step."""

    sources: Matrix
    positions: Matrix
    factors: Matrix
    offsets: Matrix
    missing: Matrix
    as_they_are: bool

    @classmethod
    def of(cls, numbers: Sequence[Number]) -> _Lines:
        outputs = [
            (source, *output)
            for source, n in enumerate(numbers)
            for output in zip(n.positions, n.factors, n.offsets, n.missing, strict=True)
        ]
        sources, positions = (np.array([output[i] for output in outputs], dtype=np.intp) for i in (0, 1))
        factors, offsets, missing = (np.array([output[i] for output in outputs], np.float64) for i in (2, 3, 4))
        unchanged = (factors == 1).all() and (offsets == 0).all() and np.isnan(missing).all()
        as_they_are = bool(unchanged and np.array_equal(sources, np.arange(len(numbers))))
        return cls(sources, positions, factors, offsets, missing, as_they_are)

    def __call__(self, numbers: Matrix) -> Matrix:
        if self.as_they_are:
            return numbers
        values = numbers[:, self.sources]
        return np.where(np.isnan(values), self.missing, values * self.factors + self.offsets)
