"""Parquet files: handed on with the types they have; several of a day brought together where no value changes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.data.readers import UnreadableFile, read_day
from tests.jobs.data.readers.dated import DAY, dated
from tidewheel.errors import UsageError
from tidewheel.spec.sections import ParquetReader


def _read(folder: Path, path: str = "*.parquet") -> pa.Table:
    return read_day(ParquetReader(kind="parquet", path=dated(folder, path)), DAY, folder).table


def test_a_path_is_relative_to_the_project(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / f"{DAY}.parquet")
    found = read_day(ParquetReader(kind="parquet", path="{partition}.parquet"), DAY, tmp_path)
    assert found.table["x"].to_pylist() == [1, 2]
    (name,) = found.inputs
    assert name == f"source/{tmp_path}/{DAY}.parquet"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1, None], None]),
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
        pa.array([{"a": 1}, None]),
        pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        pa.array([2**64 - 1, None], pa.uint64()),
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", ""], pa.large_string()),
        pa.array(["a", None], pa.string_view()),
        pa.array([2**63 - 1, None], pa.timestamp("ns")),
        pa.array([datetime(2024, 3, 1, tzinfo=UTC), None], pa.timestamp("us", "Europe/Berlin")),
        pa.array([np.float16(1.5), None], pa.float16()),
        pa.array([b"\x00", None]),
        pa.array([3_600, None], pa.duration("s")),
        pa.array([None, None]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_type_is_handed_on_as_it_is(tmp_path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"x": column}), tmp_path / "a.parquet")
    assert _read(tmp_path)["x"].combine_chunks().equals(column)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(
        UnreadableFile, match=r"a\.parquet: two or more columns have the same name: 'a' \(columns 1, 2\)"
    ):
        _read(tmp_path)


def test_files_of_a_day_are_read_by_the_names_of_their_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"k": [1], "t": ["a"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"t": ["b"], "k": [2]}), tmp_path / "b.parquet")
    assert _read(tmp_path).to_pydict() == {"k": [1, 2], "t": ["a", "b"]}
    pq.write_table(pa.table({"t": ["b"], "key": [2]}), tmp_path / "c.parquet")
    with pytest.raises(UnreadableFile, match=r"c\.parquet: other columns than a\.parquet.*missing: k; extra: key"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1]), pa.array([0.5]), pa.float64()),
        (pa.array([1], pa.int8()), pa.array([2**40]), pa.int64()),
        (pa.array([1], pa.uint64()), pa.array([-1]), pa.int64()),
        (pa.array([0.5], pa.float32()), pa.array([7]), pa.float64()),
        (pa.nulls(1), pa.array(["a"]), pa.string()),
        (pa.nulls(1), pa.array([[1]]), pa.list_(pa.int64())),
        (pa.array(["a"]), pa.array(["b"], pa.large_string()), pa.large_string()),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"]), pa.string()),
        (pa.array([0], pa.timestamp("us")), pa.array([1], pa.timestamp("ns")), pa.timestamp("ns")),
        (pa.array([Decimal("1.5")]), pa.array([Decimal("10.25")]), pa.decimal128(4, 2)),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_types_that_differ_between_files_meet_where_no_value_changes(
    tmp_path: Path, first: pa.Array, second: pa.Array, kind: pa.DataType
) -> None:
    for name, column in (("a", first), ("b", second)):
        pq.write_table(pa.table({"x": column}), tmp_path / f"{name}.parquet")
    column = _read(tmp_path)["x"]
    assert column.type == kind
    assert column.to_pylist() == [*first.cast(column.type).to_pylist(), *second.cast(column.type).to_pylist()]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array(["a"])),
        (pa.array([2**53 + 1]), pa.array([0.5])),
        (pa.array([2**64 - 1], pa.uint64()), pa.array([-1])),
        (pa.array([True]), pa.array([1])),
        (pa.array(["2024-03-01"]), pa.array([DAY])),
        (pa.array([0], pa.timestamp("us", "UTC")), pa.array([0], pa.timestamp("us"))),
        (pa.array([2**62], pa.timestamp("us")), pa.array([0], pa.timestamp("ns"))),
        (pa.array(["a"]), pa.array([b"a"])),
        (pa.array([Decimal("1.5")]), pa.array([3])),
        (pa.array([{"a": 1}]), pa.array([1])),
    ],
    ids=lambda value: str(value.type),
)
def test_types_that_do_not_meet_are_refused_with_both_files(tmp_path: Path, first: pa.Array, second: pa.Array) -> None:
    for name, column in (("a", first), ("b", second)):
        pq.write_table(pa.table({"x": column}), tmp_path / f"{name}.parquet")
    with pytest.raises(UnreadableFile) as caught:
        _read(tmp_path)
    words = f"column 'x' has different types in the files of one day: {first.type} in a.parquet, {second.type} in b"
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"k,t\n1,a\n"], ids=["nothing", "a magic number only", "CSV"])
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(UnreadableFile, match=rf"a\.parquet: not a complete parquet file \({len(content)} bytes\)"):
        _read(tmp_path)


def test_a_folder_in_place_of_a_file_is_told_how_to_name_its_files(tmp_path: Path) -> None:
    (tmp_path / str(DAY)).mkdir()
    with pytest.raises(UsageError, match=rf"{DAY} names a folder; expected its files, for example .*{DAY}/\*\.parquet"):
        _read(tmp_path, "{partition}")
