"""Judging an Arrow table by a suite, so that what is judged has the types that were landed.

pandas has no integer that is missing, no date and no decimal of its own, and Great Expectations compares what a suite
says (JSON: numbers and text) with what it finds. So each rule gets the frame that it can compute on, and limits that
are dates, times or decimals in the column's own type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.arrow_suite import read_arrow_suite
from jobs.data.column_types import family
from jobs.data.conversions import brought
from jobs.data.expectations import ExpectationResult, Judge, parse_suite, read_suite_file, worst_first
from jobs.data.type_rules import TYPE_RULES, judge_type
from tidewheel.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

_NULLABLE = {pa.int8(): "Int8", pa.int16(): "Int16", pa.int32(): "Int32", pa.int64(): "Int64", pa.bool_(): "boolean"}
_EXTREMES = ("expect_column_max_to_be_between", "expect_column_min_to_be_between")
_LIMITS = ("min_value", "max_value")


def exact_frame(table: pa.Table) -> pd.DataFrame:
    """Every value as it was landed: integers and booleans stay such beside a missing one, dates are dates.

    Decimals are floats where these have the same digits: limits in a suite are floats.
    """
    return _frame(table, lambda column: column)


def pair_frame(table: pa.Table) -> pd.DataFrame:
    """For rules that compare two columns: a missing number is NaN, which compares with anything."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=True)
    return frame


def moment_frame(table: pa.Table) -> pd.DataFrame:
    """For rules about the first or last date, which Great Expectations can only compute of timestamps."""
    return _frame(table, lambda column: column.cast(pa.timestamp("s")) if pa.types.is_date(column.type) else column)


@dataclass(frozen=True)
class Divided:
    """Expectations by what they are judged on, for tables of one schema.

    Attributes:
        about_types: are judged by the schema.
        by_frame: are judged by Great Expectations, on the frame that the function makes of a table.
    """

    about_types: tuple[Expectation, ...]
    by_frame: Mapping[Callable[[pa.Table], pd.DataFrame], Sequence[Expectation]]


def divide(expectations: Iterable[Expectation], schema: pa.Schema) -> Divided:
    """Divide expectations, with limits that are dates, times or decimals in the type of their column."""
    about_types: list[Expectation] = []
    others: dict[Callable[[pa.Table], pd.DataFrame], list[Expectation]] = defaultdict(list)
    for expectation in expectations:
        if expectation.expectation_type in TYPE_RULES:
            about_types.append(expectation)
            continue
        place = schema.get_field_index(getattr(expectation, "column", None) or "")
        kind = schema.field(place).type if place >= 0 else pa.null()
        others[_frame_for(expectation, kind)].append(_typed(expectation, kind))
    return Divided(tuple(about_types), others)


@dataclass(frozen=True)
class _PreparedSuite:
    """The rules of a suite as they are judged on batches of one schema."""

    about_types: tuple[Expectation, ...]
    judges: Mapping[Callable[[pa.Table], pd.DataFrame], Judge]


class TableJudge:
    """A suite, ready to judge tables.

    A batch that keeps a suite which Arrow can compute is judged by Arrow (see `jobs.data.arrow_rules`), any other by
    Great Expectations, which finds the same and gives examples of what breaks a rule.
    """

    def __init__(self, suite_file: Path) -> None:
        self._file, self._text = suite_file, read_suite_file(suite_file)
        self._arrow_suite = read_arrow_suite(self._text)
        # What is wrong with a suite that Arrow cannot read is said before any batch is judged.
        self._suite = None if self._arrow_suite else parse_suite(suite_file, self._text)
        self._prepared: dict[pa.Schema, _PreparedSuite] = {}

    def judge(self, table: pa.Table) -> list[ExpectationResult]:
        """Hold a batch against the suite, broken rules first.

        Raises:
            SpecError: a rule ends the whole suite.
        """
        findings = self._arrow_suite.judge(table) if self._arrow_suite else None
        return self.judge_by_great_expectations(table) if findings is None else findings

    def judge_by_great_expectations(self, table: pa.Table) -> list[ExpectationResult]:
        """The same, whatever Arrow can compute."""
        if self._suite is None:
            self._suite = parse_suite(self._file, self._text)
        try:
            return self._judge(self._suite, table)
        except Exception as error:  # whatever a metric raises where Great Expectations does not expect it
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise SpecError(
                f"{self._file}: a rule cannot be computed: {why}; `tidewheel validate` names the rule"
            ) from error

    def _judge(self, suite: gx.ExpectationSuite, table: pa.Table) -> list[ExpectationResult]:
        schema = pa.schema([(field.name, field.type) for field in table.schema])
        if schema not in self._prepared:
            self._prepared[schema] = self._prepare(suite, schema)
        prepared = self._prepared[schema]
        findings = [judge_type(expectation, schema) for expectation in prepared.about_types]
        for frame, judge in prepared.judges.items():
            findings += judge.judge(frame(table))
        return worst_first(findings)

    def _prepare(self, suite: gx.ExpectationSuite, schema: pa.Schema) -> _PreparedSuite:
        import great_expectations as gx

        divided = divide(suite.expectations, schema)
        return _PreparedSuite(
            divided.about_types,
            {
                frame: Judge(gx.ExpectationSuite(name=f"{suite.name}.{frame.__name__}", expectations=list(rules)))
                for frame, rules in divided.by_frame.items()
            },
        )


def _frame_for(expectation: Expectation, kind: pa.DataType) -> Callable[[pa.Table], pd.DataFrame]:
    if getattr(expectation, "column_A", None):
        return pair_frame
    return moment_frame if pa.types.is_date(kind) and expectation.expectation_type in _EXTREMES else exact_frame


def _frame(table: pa.Table, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pd.DataFrame:
    import pandas as pd

    columns = {name: _series(convert(table[name])) for name in table.column_names}
    return pd.DataFrame(columns, index=range(table.num_rows), columns=table.column_names)


def _series(column: pa.ChunkedArray) -> pd.Series[Any]:
    if pa.types.is_decimal(column.type) and (floats := brought(column, pa.float64())) is not None:
        column = floats
    if column.null_count and column.type in _NULLABLE:
        missing = pc.is_null(column).to_numpy()
        filled: Any = pc.fill_null(column, pa.scalar(0).cast(column.type)).to_pandas()
        series: pd.Series[Any] = filled.astype(_NULLABLE[column.type]).mask(missing)
    else:
        series = column.to_pandas(date_as_object=True)
    return series


def _typed(expectation: Expectation, kind: pa.DataType) -> Expectation:
    """A rule whose limits, written as text or numbers, have the type of the column that they are compared with."""
    as_moment = expectation.expectation_type in _EXTREMES
    read = _READERS.get("timestamp" if as_moment and pa.types.is_date(kind) else family(kind))
    if read is None:
        return expectation
    zone = getattr(kind, "tz", None)
    update: dict[str, Any] = {}
    for limit in _LIMITS:
        if isinstance(value := getattr(expectation, limit, None), str | date):
            update[limit] = read(value, zone)
    if isinstance(values := getattr(expectation, "value_set", None), list):
        update["value_set"] = [read(value, zone) for value in values]
    return expectation.copy(update=update) if update else expectation


def _moment(value: Any, zone: str | None) -> Any:
    if not isinstance(value, str | date):
        return value
    import pandas as pd

    moment = pd.Timestamp(value)
    if zone and moment.tz is None:
        return moment.tz_localize(UTC)
    return moment if zone or moment.tz is None else moment.tz_convert(UTC).tz_localize(None)


def _date(value: Any, zone: str | None) -> Any:
    return _moment(value, zone).date() if isinstance(value, str | datetime) else value


def _time(value: Any, _: str | None) -> Any:
    return time.fromisoformat(value) if isinstance(value, str) else value


def _decimal(value: Any, _: str | None) -> Any:
    return float(Decimal(value)) if isinstance(value, str) else value


_READERS: Mapping[str, Callable[[Any, str | None], Any]] = {
    "date": _date,
    "timestamp": _moment,
    "time": _time,
    "decimal": _decimal,
}
