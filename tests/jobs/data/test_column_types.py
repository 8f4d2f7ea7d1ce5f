"""Whatever Arrow delivers: it has a type in the lake that holds each value, or is refused in a sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.data.column_names import check_names
from jobs.data.column_types import TIMESTAMP, as_landed, in_calendar
from jobs.data.conversions import brought, first_misfit, read_as, together, wider
from tidewheel.errors import DataRefused

NOON = datetime(2026, 1, 1, 12)


def _raw(kind: pa.DataType, width: str, numbers: list[int], *more: bytes) -> pa.Array:
    """One value as other programs write it, which Arrow itself would not."""
    buffers = [pa.py_buffer(pa.array(numbers, width).buffers()[1]), *map(pa.py_buffer, more)]
    return pa.Array.from_buffers(kind, 1, [None, *buffers])


RUNS_OF_DICTIONARY = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["a", "b"]).dictionary_encode())
LANDS = {
    "null": (pa.nulls(2), "null"),
    "bool": (pa.array([True, None]), "bool"),
    "int8": (pa.array([-1, None], pa.int8()), "int8"),
    "uint8": (pa.array([255, None], pa.uint8()), "int16"),
    "uint16": (pa.array([65535, None], pa.uint16()), "int32"),
    "uint32": (pa.array([2**32 - 1, None], pa.uint32()), "int64"),
    "uint64 that fits": (pa.array([2**63 - 1, None], pa.uint64()), "int64"),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), "decimal128(20, 0)"),
    "float16": (pa.array([1.5, None], pa.float64()).cast(pa.float16()), "float"),
    "float32": (pa.array([1.5, None], pa.float32()), "float"),
    "decimal32": (pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)), "decimal128(5, 2)"),
    "decimal128": (pa.array([Decimal(10) ** 37, None], pa.decimal128(38, 0)), "decimal128(38, 0)"),
    "decimal256": (pa.array([Decimal("1.5"), None], pa.decimal256(60, 2)), "decimal128(38, 2)"),
    "negative scale": (pa.array([Decimal(1200), None], pa.decimal128(5, -2)), "decimal128(7, 0)"),
    "large string": (pa.array(["a", None], pa.large_string()), "string"),
    "string view": (pa.array(["a", None], pa.string_view()), "string"),
    "binary view": (pa.array([b"\xff", None], pa.binary_view()), "binary"),
    "large binary": (pa.array([b"\xff", None], pa.large_binary()), "binary"),
    "fixed size binary": (pa.array([b"ab", None], pa.binary(2)), "binary"),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), "string"),
    "dictionary of dates": (pa.array([date(2026, 1, 1), None]).dictionary_encode(), "date32[day]"),
    "dictionary of large integers": (pa.array([1, 2**64 - 1], pa.uint64()).dictionary_encode(), "decimal128(20, 0)"),
    "dictionary of views": (
        pa.DictionaryArray.from_arrays([1, None], pa.array(["a", "b"], pa.string_view())),
        "string",
    ),
    "dictionary of lists": (pa.DictionaryArray.from_arrays([0, 0], pa.array([[1]])), "list<item: int64>"),
    "run-end of a dictionary": (RUNS_OF_DICTIONARY, "string"),
    "part of run-end": (RUNS_OF_DICTIONARY.slice(1, 2), "string"),
    "run-end": (pc.run_end_encode(pa.array([1, 1, None])), "int64"),
    "date32": (pa.array([date(1, 1, 1), date(9999, 12, 31)]), "date32[day]"),
    "date64": (pa.array([date(2026, 1, 1), None], pa.date64()), "date32[day]"),
    "time32": (pa.array([time(8, 15), None], pa.time32("s")), "time64[us]"),
    "time64": (pa.array([time(8, 15, 0, 5), None], pa.time64("ns")), "time64[us]"),
    "timestamp s": (pa.array([NOON, None], pa.timestamp("s")), "timestamp[us]"),
    "timestamp ns": (pa.array([NOON, None], pa.timestamp("ns")), "timestamp[us]"),
    "timestamp with a zone": (pa.array([NOON, None], pa.timestamp("ms", "Europe/Berlin")), "timestamp[us, tz=UTC]"),
    "duration": (pa.array([timedelta(seconds=1), None], pa.duration("ns")), "duration[us]"),
    "list": (pa.array([[1], None], pa.large_list(pa.uint8())), "list<item: int16>"),
    "fixed size list": (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), "list<item: int64>"),
    "struct": (pa.array([{"a": 1}, None], pa.struct([("a", pa.uint8())])), "struct<a: int16>"),
    "map": (pa.array([[("a", 1)], None], pa.map_(pa.string_view(), pa.int64())), "map<string, int64>"),
    "json": (pa.array(["{}", None], pa.json_()), "string"),
}
REFUSED = {
    "nanoseconds": (pa.array([1_001], pa.timestamp("ns")), ["timestamp[ns]", "types: {x: timestamp}"]),
    "a time of day in nanoseconds": (pa.array([1_001], pa.time64("ns")), ["time64[ns]", "query or the reader"]),
    "a date within a day": (pa.array([86_400_005], pa.int64()).cast(pa.date64()), ["date64"]),
    "too many digits": (pa.array([Decimal(10) ** 50], pa.decimal256(60, 2)), ["decimal256(60, 2)"]),
    "interval": (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), ["month_day_nano_interval", "to text"]),
    "list view": (pa.array([[1]], pa.list_view(pa.int64())), ["list_view", "to text"]),
    "union": (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), ["union", "to text"]),
    "empty struct": (pa.array([{}]), ["struct<>", "to text"]),
    "names of one letter": (pa.array([{"a": 1, "A": 2}]), ["struct<a", "to text"]),
    "seconds beyond the calendar": (pa.array([2**60], pa.timestamp("s")), ["timestamp[s]"]),
    "the year 10000": (pa.array([253_402_300_800], pa.timestamp("s")), ["timestamp[s]", "outside the years 1 to 9999"]),
    "a date before Christ": (pa.array([-800_000], pa.int32()).cast(pa.date32()), ["date32", "the years 1 to 9999"]),
    "the year 10000 in a list": (
        pa.array([[2_932_897]], pa.list_(pa.int32())).cast(pa.list_(pa.date32())),
        ["years 1"],
    ),
    "the year 10000 in a struct": (
        pa.StructArray.from_arrays([pa.array([2**58], pa.timestamp("us"))], ["a"]),
        ["struct<a: timestamp[us]>", "the years 1 to 9999"],
    ),
    "text that is not UTF-8": (_raw(pa.string(), "int32", [0, 2], b"\xff\xfe"), ["string", "UTF8"]),
    "a time of day after midnight": (_raw(pa.time32("s"), "int32", [90_000]), ["time32[s]", "[0, 86400)"]),
    "a time of day before midnight": (_raw(pa.time64("us"), "int64", [-5]), ["time64[us]", "acceptable range"]),
}


def _column(array: pa.Array) -> pa.ChunkedArray:
    return pa.chunked_array([array])


@pytest.mark.parametrize("case", LANDS)
def test_a_type_lands_with_its_values(case: str) -> None:
    array, kind = LANDS[case]
    landed = as_landed(_column(array), "x", "source")
    assert str(landed.type) == kind
    assert landed.to_pylist() == array.to_pylist()


def test_a_uuid_lands_as_people_write_it() -> None:
    found = UUID("8d170e49-1cb3-400a-a42e-929d54115015")
    array = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([found.bytes, None], pa.binary(16)))
    assert as_landed(_column(array), "x", "source").to_pylist() == [str(found), None]


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_lake_cannot_hold_is_refused_by_name(case: str) -> None:
    array, words = REFUSED[case]
    with pytest.raises(DataRefused, match=r"orders\.parquet: column 'x' holds ") as refused:
        as_landed(_column(array), "x", "orders.parquet")
    assert all(word in str(refused.value) for word in words), refused.value


BRINGS = [
    # what a day holds, the type until now, what it is then; None: a value would change, or be in doubt
    ([1, 0, None], pa.bool_(), [True, False, None]),
    ([1, 2], pa.bool_(), None),
    ([1, 2**53], pa.float64(), [1.0, 2.0**53]),
    ([2**53 + 1], pa.float64(), None),
    ([1.0, float("nan"), None], pa.int64(), [1, None, None]),
    ([1.5], pa.int64(), None),
    ([300], pa.int8(), None),
    ([0.1], pa.float32(), None),
    ([True], pa.int64(), None),
    (["1"], pa.int64(), None),
    ([1], pa.string(), None),
    (["yes"], pa.bool_(), None),
    ([Decimal("1.500")], pa.decimal128(3, 1), [Decimal("1.5")]),
    ([Decimal("1.25")], pa.decimal128(3, 1), None),
    ([Decimal("0.1")], pa.float64(), [0.1]),
    ([5], pa.decimal128(5, 2), [Decimal("5.00")]),
    ([date(2026, 1, 1)], TIMESTAMP, [datetime(2026, 1, 1, tzinfo=UTC)]),
    ([NOON], pa.date32(), None),
    ([NOON], TIMESTAMP, [NOON.replace(tzinfo=UTC)]),
    ([None, None], pa.time64("us"), [None, None]),
]


@pytest.mark.parametrize(("values", "kind", "expected"), BRINGS, ids=str)
def test_a_day_is_brought_to_the_type_of_the_days_before_without_loss_or_doubt(
    values: list[object], kind: pa.DataType, expected: list[object] | None
) -> None:
    there = brought(_column(pa.array(values)), kind)
    assert (None if there is None else there.to_pylist()) == expected
    assert there is None or there.type == kind


DECLARED = [
    (["1", " 2 ", "", None], pa.int64(), [1, 2, None, None]),
    (["0x1F"], pa.int64(), None),
    (["+5", "007", "-5"], pa.int64(), [5, 7, -5]),
    (["9007199254740993"], pa.float64(), None),
    (["9007199254740993.0"], pa.float64(), None),
    (["9007199254740992.5"], pa.float64(), [2.0**53]),
    ([f"{'0' * 5000}1"], pa.float64(), [1.0]),
    (["9007199254740992", "inf"], pa.float64(), [2.0**53, float("inf")]),
    (["1e999"], pa.float64(), None),
    (["0000-01-01"], pa.date32(), None),
    (["0000-01-01T00:00:00"], TIMESTAMP, None),
    (["08:15+02:00"], pa.time64("us"), None),
    (["08:15:00.123456789"], pa.time64("us"), None),
    (["08"], pa.time64("us"), None),
    (["2026-01-01T12:00:00.000001999Z"], TIMESTAMP, [NOON.replace(microsecond=1, tzinfo=UTC)]),
    ([["a"]], pa.string(), None),
    (["1.5", "1e3", ""], pa.float64(), [1.5, 1000.0, None]),
    (["1,5"], pa.float64(), None),
    (["true", "FALSE", "1", "0", ""], pa.bool_(), [True, False, True, False, None]),
    (["yes"], pa.bool_(), None),
    (["2026-01-01", ""], pa.date32(), [date(2026, 1, 1), None]),
    (["08:15", "08:15:30.5"], pa.time64("us"), [time(8, 15), time(8, 15, 30, 500_000)]),
    (["2026-01-01T12:00:00"], TIMESTAMP, [NOON.replace(tzinfo=UTC)]),
    (["2026-01-01T13:00:00+01:00"], TIMESTAMP, [NOON.replace(tzinfo=UTC)]),
    (["1.25"], pa.decimal128(38, 18), [Decimal("1.25")]),
    ([7, None], pa.string(), ["7", None]),
    ([True], pa.string(), ["true"]),
    ([time(8, 15)], pa.string(), ["08:15:00"]),
    ([1.5], pa.string(), None),
    (["a"], pa.int64(), None),
]


@pytest.mark.parametrize(("values", "kind", "expected"), DECLARED, ids=str)
def test_a_declared_type_reads_what_is_written_so(
    values: list[object], kind: pa.DataType, expected: list[object] | None
) -> None:
    there = read_as(_column(pa.array(values)), kind)
    assert (None if there is None else there.to_pylist()) == expected


def test_a_declared_timestamp_lies_in_the_calendar() -> None:
    assert read_as(_column(pa.array([10**18], pa.timestamp("us"))), TIMESTAMP) is None


def test_the_calendar_is_that_of_the_rows_of_a_slice() -> None:
    kind = pa.map_(pa.string(), pa.timestamp("us"))
    maps = pa.array([[("a", 0)], [("b", 10**18)]], kind)
    assert [in_calendar(_column(maps.slice(row, 1))) for row in (0, 1)] == [True, False]


def test_a_declared_timestamp_cuts_nanoseconds() -> None:
    there = read_as(_column(pa.array([1_767_268_800_000_001_999], pa.timestamp("ns"))), TIMESTAMP)
    assert there is not None
    assert there.to_pylist() == [datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)]


def test_a_declared_timestamp_is_not_another_moment_where_microseconds_cannot_hold_it() -> None:
    assert read_as(_column(pa.array([2**60], pa.timestamp("s"))), TIMESTAMP) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([["a"], ["b"]]), "['a']"),
        (pa.array([2**60], pa.timestamp("s")), "1152921504606846976 in timestamp[s]"),
    ],
)
def test_a_misfit_of_any_type_can_be_shown(values: pa.Array, expected: str) -> None:
    assert first_misfit(_column(values), lambda _: False) == expected


@pytest.mark.parametrize(
    ("one", "other", "both", "read"),
    [
        (pa.int16(), pa.int64(), pa.int64(), pa.int64()),
        (pa.int64(), pa.float32(), pa.float64(), pa.float64()),
        (pa.decimal128(5, 2), pa.decimal128(4, 3), pa.decimal128(6, 3), pa.decimal128(6, 3)),
        (pa.int64(), pa.decimal128(20, 0), pa.decimal128(20, 0), pa.decimal128(20, 0)),
        (pa.decimal128(38, 0), pa.decimal128(38, 38), None, None),
        (pa.null(), pa.time64("us"), pa.time64("us"), pa.time64("us")),
        (pa.list_(pa.null()), pa.list_(pa.string()), pa.list_(pa.string()), pa.list_(pa.string())),
        (pa.int64(), pa.string(), None, pa.string()),
        (pa.date32(), TIMESTAMP, None, TIMESTAMP),
        (pa.float64(), pa.string(), None, None),
        (pa.bool_(), pa.date32(), None, None),
    ],
    ids=str,
)
def test_days_of_two_types_have_one_that_holds_both_or_none(
    one: pa.DataType, other: pa.DataType, both: pa.DataType | None, read: pa.DataType | None
) -> None:
    assert wider(one, other) == wider(other, one) == both
    assert together(one, other) == together(other, one) == read


@pytest.mark.parametrize(
    "name",
    ["user.age", "b`q", "a b", "100%", 'it\'s "x"', "größe_😀", "x" * 300, "_metadata", "*", "a[0]", "n", "_value"],
)
def test_any_name_can_be_landed(name: str) -> None:
    check_names(["id", name], "orders.csv")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["id", "id"], "column id is there twice"),
        (["Id", "at", "ID"], "columns 'Id' and 'ID' differ by upper and lower case only"),
        (["İl", "il"], "differ by upper and lower case only"),
        (["s\u0131n\u0131f", "SINIF"], "differ by upper and lower case only"),
        (["straße", "STRASSE"], "differ by upper and lower case only"),
        (["id", ""], "column 2 of 2 has no name"),
        ([" amount"], "column ' amount' begins or ends with a blank, and would be missed as 'amount'"),
        (["amount\t"], "begins or ends with a blank"),
        (["partition"], "column 'partition' has a name that the platform itself uses"),
        (["Partition"], "rename it in the source"),
        (["_tidewheel_path"], "has a name that the platform itself uses"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(names: list[str], words: str) -> None:
    with pytest.raises(DataRefused) as refused:
        check_names(names, "orders.csv")
    assert str(refused.value).startswith("orders.csv: ")
    assert words in str(refused.value)
