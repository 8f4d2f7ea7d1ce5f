"""Rules that Arrow computes: a batch that keeps a suite of them is judged without Great Expectations.

Importing Great Expectations takes seconds, and judging a day by it takes ten times as long as by Arrow. So the kinds
of rules that most suites consist of are computed here, for numbers, texts and the columns themselves. Nothing here
refuses a batch: one that breaks a rule, or has a type that a rule does not expect, is judged by Great Expectations.
A batch that passes has the same findings as there.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobs.data.column_types import family
from jobs.data.type_rules import names_of

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
_FLOATS = (pa.float32(), pa.float64())
_TEXTS = (pa.string(), pa.large_string())
_SIMPLE = ("integer", "boolean", "decimal", "date", "time", "timestamp")
_EXACT = ("integer", "date", "timestamp")  # two values are equal for pandas where they are for Arrow


class ArrowRule(BaseModel):
    """The arguments of one kind of rule. A suite with any other argument is left to Great Expectations."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    computed: ClassVar[bool] = True
    """Whether something is measured, as findings have it."""

    def found(self, table: pa.Table) -> str | None:
        """Evaluate the rule.

        Args:
            table: a batch with rows, and one column of each name.

        Returns:
            What Great Expectations says of a batch that keeps the rule; None where it has to judge the batch itself.
        """
        return self._found(table)

    @abstractmethod
    def _found(self, table: pa.Table) -> str | None: ...


class _Limits(ArrowRule):
    min_value: float | None = None
    max_value: float | None = None

    @model_validator(mode="after")
    def _limited(self) -> _Limits:
        if self.min_value is None and self.max_value is None:
            raise ValueError("expected a limit")
        return self

    def _hold(self, low: float, high: float) -> bool:
        return (self.min_value is None or low >= self.min_value) and (self.max_value is None or high <= self.max_value)


class _OfColumn(ArrowRule):
    column: Name


class _OfRows(_OfColumn):
    mostly: Share = 1.0


class RowCount(ArrowRule):
    """The number of rows."""

    min_value: int = 0
    max_value: int | None = None

    def _found(self, table: pa.Table) -> str | None:
        enough = table.num_rows >= self.min_value and (self.max_value is None or table.num_rows <= self.max_value)
        return f"found {table.num_rows}" if enough else None


class ColumnSet(ArrowRule):
    """The names of the columns, in any order."""

    column_set: list[Name]
    exact_match: bool = True

    def _found(self, table: pa.Table) -> str | None:
        expected, names = set(self.column_set), set(table.column_names)
        if not expected <= names or (self.exact_match and expected != names):
            return None
        unexpected = ", ".join(sorted(names - expected))
        return f"unexpected {unexpected}" if unexpected else f"found {sorted(names)}"


class Exists(_OfColumn):
    """There is such a column."""

    computed: ClassVar[bool] = False

    def _found(self, table: pa.Table) -> str | None:
        return "holds" if self.column in table.column_names else None


class NotNull(_OfRows):
    """Values are there."""

    def _found(self, table: pa.Table) -> str | None:
        column = _column(table, self.column, lambda kind: kind in (*_FLOATS, *_TEXTS) or family(kind) in _SIMPLE)
        if column is None:
            return None
        missing = pc.sum(pc.is_null(column, nan_is_null=column.type in _FLOATS)).as_py()
        rows = table.num_rows
        if (rows - missing) / rows < self.mostly:
            return None
        return f"{missing} of {rows} rows ({100 * missing / rows:.1f}%) break the rule" if missing else _all(table)


class Unique(_OfRows):
    """No value occurs twice."""

    def _found(self, table: pa.Table) -> str | None:
        column = _column(table, self.column, _is_exact)
        if column is None or pc.count_distinct(column).as_py() != len(column) - column.null_count:
            return None
        return _all(table)


class Between(_Limits, _OfRows):
    """Numbers lie within limits."""

    def _found(self, table: pa.Table) -> str | None:
        column = _column(table, self.column, _is_number)
        if column is None:
            return None
        extremes = pc.min_max(column).as_py()
        if extremes["min"] is not None and not self._hold(extremes["min"], extremes["max"]):
            return None
        return _all(table)


class InSet(_OfRows):
    """Values are some of these."""

    value_set: list[str] | list[int | float]

    def _found(self, table: pa.Table) -> str | None:
        texts = bool(self.value_set) and isinstance(self.value_set[0], str)
        column = _column(table, self.column, (lambda kind: kind in _TEXTS) if texts else _is_number)
        if column is None or not set(pc.unique(column.drop_null()).to_pylist()) <= set(self.value_set):
            return None
        return _all(table)


class LengthsEqual(_OfRows):
    """Texts have this many characters."""

    value: Annotated[float, Field(ge=0)]

    def _found(self, table: pa.Table) -> str | None:
        column = _column(table, self.column, lambda kind: kind in _TEXTS)
        if column is None:
            return None
        lengths = pc.min_max(pc.utf8_length(column)).as_py()
        return _all(table) if set(lengths.values()) <= {None, self.value} else None


class MeanBetween(_Limits, _OfColumn):
    """The mean lies within limits."""

    def _found(self, table: pa.Table) -> str | None:
        column = _column(table, self.column, lambda kind: kind == pa.float64() or pa.types.is_integer(kind))
        # pandas adds up integers beside missing ones in its own way, and Arrow all numbers in another order.
        if column is None or (column.null_count and pa.types.is_integer(column.type)):
            return None
        numbers = column.drop_null().to_numpy()
        mean = float(numbers.mean()) if len(numbers) else math.nan
        return f"found {mean}" if self._hold(mean, mean) else None


class CompoundUnique(ArrowRule):
    """No values of these columns occur twice together."""

    column_list: Annotated[list[Name], Field(min_length=2)]

    def _found(self, table: pa.Table) -> str | None:
        columns = [_column(table, name, _is_exact) for name in self.column_list]
        if len(set(self.column_list)) < len(columns) or any(column is None or column.null_count for column in columns):
            return None
        groups = table.group_by(self.column_list).aggregate([])
        return _all(table) if groups.num_rows == table.num_rows else None


class InTypeList(_OfColumn):
    """The column has one of these types; see `jobs.data.type_rules`."""

    type_list: list[Name]

    def _found(self, table: pa.Table) -> str | None:
        return _of_type(table, self.column, self.type_list)


class OfType(_OfColumn):
    """The column has this type."""

    type_: Name

    def _found(self, table: pa.Table) -> str | None:
        return _of_type(table, self.column, [self.type_])


KINDS: Mapping[str, type[ArrowRule]] = {
    "expect_table_row_count_to_be_between": RowCount,
    "expect_table_columns_to_match_set": ColumnSet,
    "expect_column_to_exist": Exists,
    "expect_column_values_to_not_be_null": NotNull,
    "expect_column_values_to_be_unique": Unique,
    "expect_column_values_to_be_between": Between,
    "expect_column_values_to_be_in_set": InSet,
    "expect_column_value_lengths_to_equal": LengthsEqual,
    "expect_column_mean_to_be_between": MeanBetween,
    "expect_compound_columns_to_be_unique": CompoundUnique,
    "expect_column_values_to_be_of_type": OfType,
    "expect_column_values_to_be_in_type_list": InTypeList,
}


def _all(table: pa.Table) -> str:
    return f"all of {table.num_rows} rows keep it"


def _of_type(table: pa.Table, name: str, types: Sequence[str]) -> str | None:
    column = _column(table, name, lambda kind: not pa.types.is_null(kind))
    return None if column is None or names_of(column.type).isdisjoint(types) else f"found {column.type}"


def _column(table: pa.Table, name: str, accepted: Callable[[pa.DataType], bool]) -> pa.ChunkedArray | None:
    """A column of a type that is accepted; None where there is none of that name, or one of another type."""
    place = table.schema.get_field_index(name)
    return table.column(place) if place >= 0 and accepted(table.schema.field(place).type) else None


def _is_number(kind: pa.DataType) -> bool:
    return kind in _FLOATS or pa.types.is_integer(kind)


def _is_exact(kind: pa.DataType) -> bool:
    return kind in _TEXTS or family(kind) in _EXACT
