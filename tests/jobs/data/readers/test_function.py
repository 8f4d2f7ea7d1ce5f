"""A day from a function of the pipeline's own: Arrow or pandas, each value as it is, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from jobs.data.readers import read_day
from tidewheel.errors import DataRefused, SpecError, UsageError
from tidewheel.spec.sections import PythonReader

DAY = date(2024, 3, 1)
NANOSECOND = pd.Timestamp("2024-03-01 10:00:00.123456789")
RETURNED: list[object] = []


def returned(day: date) -> object:
    """A pipeline's function that returns what a test put there."""
    return RETURNED.pop()


def _read(value: object) -> pa.Table:
    RETURNED[:] = [value]
    return read_day(PythonReader(kind="python", function=f"{__name__}:returned"), DAY, Path()).table


def frame(day: date) -> pd.DataFrame:
    return pd.DataFrame({"day": [day]})


def table(day: date) -> pa.Table:
    return pa.table({"day": [day]})


def nothing(day: date) -> None:
    return None


@pytest.mark.parametrize("function", [frame, table])
def test_a_function_may_return_pandas_or_arrow(function: Callable[[date], object]) -> None:
    found = read_day(PythonReader(kind="python", function=f"{__name__}:{function.__name__}"), DAY, Path())
    assert found.table["day"].to_pylist() == [DAY]


def test_a_function_that_returns_no_table_is_told_what_is_expected() -> None:
    with pytest.raises(UsageError, match=r"nothing\(2024-03-01\) returned a NoneType; expected a pandas.DataFrame"):
        read_day(PythonReader(kind="python", function=f"{__name__}:nothing"), DAY, Path())


def test_a_misspelt_function_gets_a_hint() -> None:
    with pytest.raises(SpecError, match="has no function 'frames', did you mean 'frame'"):
        read_day(PythonReader(kind="python", function=f"{__name__}:frames"), DAY, Path())
    with pytest.raises(SpecError, match=r"no module 'jobs\.pipelines\.nowhere'"):
        read_day(PythonReader(kind="python", function="jobs.pipelines.nowhere:read"), DAY, Path())


def test_another_library_s_table_comes_through_arrow_s_stream() -> None:
    assert _read(pa.record_batch({"x": [1, None]})).to_pydict() == {"x": [1, None]}
    assert _read(pa.table({"x": pa.array([{"a": 1}])})).schema.field("x").type == pa.struct({"a": pa.int64()})


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pd.Series([1, 2]), pa.int64(), [1, 2]),
        (pd.Series([1, None], dtype="Int64"), pa.int64(), [1, None]),
        (pd.Series([2**64 - 1], dtype="uint64"), pa.uint64(), [2**64 - 1]),
        (pd.Series([1.5, np.nan]), pa.float64(), [1.5, None]),
        (pd.Series([1, None], dtype=object), pa.int64(), [1, None]),
        (pd.Series([1, 0.5, np.nan], dtype=object), pa.float64(), [1, 0.5, None]),
        (pd.Series([np.int32(1), 2], dtype=object), pa.int64(), [1, 2]),
        (pd.Series(["a", "", None, np.nan, pd.NA], dtype=object), pa.string(), ["a", "", None, None, None]),
        (pd.Series(["a", pd.NA], dtype="string"), pa.string(), ["a", None]),
        (pd.Series([True, None], dtype=object), pa.bool_(), [True, None]),
        (pd.Series([True, None], dtype="boolean"), pa.bool_(), [True, None]),
        (pd.Series([Decimal("1.50"), None]), pa.decimal128(3, 2), [Decimal("1.50"), None]),
        (pd.Series([DAY, None]), pa.date32(), [DAY, None]),
        (pd.Series([time(8, 15)]), pa.time64("us"), [time(8, 15)]),
        (pd.Series([b"\x00", None]), pa.binary(), [b"\x00", None]),
        (pd.Series([[1, 2], None, []]), pa.list_(pa.int64()), [[1, 2], None, []]),
        (pd.Series([np.array([1.5])]), pa.list_(pa.float64()), [[1.5]]),
        (pd.Series([None, None], dtype=object), pa.null(), [None, None]),
        (
            pd.Series(["a", None, "b", "a"], dtype="category"),
            pa.dictionary(pa.int8(), pa.string()),
            ["a", None, "b", "a"],
        ),
        (pd.Series([0, 0, 3], dtype="Sparse[int64]"), pa.int64(), [0, 0, 3]),
        (pd.Series([1.5, np.nan], dtype="Sparse[float64]"), pa.float64(), [1.5, None]),
        (
            pd.Series([pd.Timestamp("2024-03-01 10:00:00.123456789"), pd.NaT]),
            pa.timestamp("ns"),
            [pd.Timestamp("2024-03-01 10:00:00.123456789"), None],
        ),
        (
            pd.Series(pd.to_datetime(["2024-03-01 10:00"]).tz_localize("Europe/Berlin")),
            pa.timestamp("ns", "Europe/Berlin"),
            [pd.Timestamp("2024-03-01 10:00", tz="Europe/Berlin")],
        ),
        (
            pd.Series([datetime(2024, 3, 1, 10, tzinfo=UTC), None], dtype=object),
            pa.timestamp("us", "UTC"),
            [datetime(2024, 3, 1, 10, tzinfo=UTC), None],
        ),
        (pd.Series(pd.to_timedelta(["1h"])), pa.duration("ns"), [pd.Timedelta("1h")]),
        (pd.Series([NANOSECOND, None], dtype=object), pa.timestamp("ns"), [NANOSECOND, None]),
        (pd.Series([[NANOSECOND]], dtype=object), pa.list_(pa.timestamp("ns")), [[NANOSECOND]]),
        (
            pd.Series([NANOSECOND.tz_localize("Europe/Berlin")], dtype=object),
            pa.timestamp("ns", "UTC"),
            [NANOSECOND.tz_localize("Europe/Berlin")],
        ),
        (pd.Series([pd.Timedelta(1, "ns")], dtype=object), pa.duration("ns"), [pd.Timedelta(1, "ns")]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_column_of_pandas_keeps_its_values(values: pd.Series, kind: pa.DataType, expected: list[object]) -> None:
    column = _read(pd.DataFrame({"x": values}))["x"]
    assert (column.type, column.to_pylist()) == (kind, expected)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, "one"], "holds values of more than one type, for example 1 (int), 'one' (str)"),
        ([True, 1], "holds values of more than one type, for example True (bool), 1 (int)"),
        ([DAY, datetime(2024, 3, 1)], "holds values of more than one type"),
        ([datetime(2024, 3, 1), datetime(2024, 3, 1, tzinfo=UTC)], "holds timestamps with a zone and others without"),
        ([2**53 + 1, 0.5], "holds 9007199254740993 (int) beside floats, which change it"),
        ([2**64], "holds 18446744073709551616, which is beyond 64 bits"),
        ([Decimal("Infinity"), Decimal(1)], "holds Decimal('Infinity'), which no decimal column can hold"),
        ([{"a": 1}], "holds values of type dict"),
        ([{1}], "holds values of type set"),
        ([[1], ["a"]], "holds values of more than one type"),
        ([1 + 2j], "is of pandas' type complex128"),
        ([object], "holds values of type type"),
        ([np.timedelta64(1, "s")], "holds values of type numpy.timedelta64"),
        ([np.longdouble("0.1")], "holds values of type numpy.longdouble"),
        (["\ud800"], "holds str values that no column can hold"),
        (pd.period_range("2024-03", periods=1, freq="M"), "is of pandas' type period[M]"),
        (pd.interval_range(0, 1), "is of pandas' type interval[int64, right]"),
        (pd.cut([1, 5], 2), "is of pandas' type interval[float64, right]"),
        (pd.Categorical([1, "a"]), "holds values of more than one type"),
    ],
    ids=str,
)
def test_a_column_of_pandas_that_no_column_can_hold_is_named(values: object, words: str) -> None:
    dtype = None if not isinstance(values, list) or isinstance(values[0], complex) else object
    with pytest.raises(DataRefused) as caught:
        _read(pd.DataFrame({"n": range(len(values)), "x": pd.Series(values, dtype=dtype)}))  # type: ignore[arg-type,call-overload]
    assert f"returned(2024-03-01): column 'x' {words}" in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (
            pd.DataFrame([[1, 2]], columns=["a", "a"]),
            "the same name: 'a' (columns 1, 2); expected different names: rename",
        ),
        (pd.DataFrame([[1, 2]], columns=["a", " a"]), "the same name: 'a'"),
        (pd.DataFrame([[1, 2]], columns=["a", ""]), "column 2 of 2 has no name"),
        (
            pd.DataFrame([[1, 2]]),
            "0 (int) is the name of a column; expected text: frame.columns = frame.columns.astype(str)",
        ),
        (pd.DataFrame([[1]], columns=[None]), "None (NoneType) is the name of a column"),
        (
            pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
            "the columns have names of 2 levels, for example ('a', 'b')",
        ),
        (
            pd.DataFrame({"id": [1], "x": [2]}).set_index("id"),
            "id is an index, not a column; return frame.reset_index()",
        ),
        (pa.table([[1], [2]], names=["a", "a"]), "the same name: 'a' (columns 1, 2)"),
    ],
    ids=str,
)
def test_columns_without_a_name_of_their_own_are_refused(frame: object, words: str) -> None:
    with pytest.raises(DataRefused) as caught:
        _read(frame)
    assert words in str(caught.value)
