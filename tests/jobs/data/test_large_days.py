"""A day larger than memory should hold: the same rows and bytes as a small one's, from scratch files that are gone."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.data import key_order, spill, structure
from jobs.data.readers import csv_split, read_day, sql
from tests.jobs.data.conftest import FIRST, Deliveries, run_job
from tidewheel.errors import DataRefused, UsageError
from tidewheel.spec.sections import CsvReader, PythonReader, SqlReader

DAY = date(2024, 3, 1)


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays in memory, and files are read in small pieces."""
    for module in (spill, key_order, csv_split):
        monkeypatch.setattr(module, "HELD", 0)
    for module in (spill, csv_split):
        monkeypatch.setattr(module, "BLOCK", 997)
    monkeypatch.setattr(key_order, "PART_ROWS", 7)
    monkeypatch.setattr(sql, "FETCHED", 2)


def test_a_batch_is_the_sorted_rows_as_arrow_writes_them_held_or_not(
    deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries.put(FIRST, rows=500)
    (held,) = run_job(deliveries, "land", FIRST, "held").outputs
    expected = io.BytesIO()
    rows = pq.read_table(io.BytesIO(deliveries.source_file(FIRST).read_bytes()))
    rows = rows.set_column(1, "ordered_at", rows["ordered_at"].cast(pa.timestamp("us", "UTC")))
    pq.write_table(rows.sort_by("parcel").replace_schema_metadata(None), expected, compression="zstd")
    manifest = deliveries.lake.manifest("landing", str(FIRST), held.content_hash)
    [file] = deliveries.lake.files(manifest)
    assert deliveries.lake.store.read(file.path) == expected.getvalue()

    for module in (spill, key_order, csv_split):
        monkeypatch.setattr(module, "HELD", 0)
    (mapped,) = run_job(deliveries, "land", FIRST, "mapped").outputs
    assert mapped.content_hash == held.content_hash


def test_csv_files_of_a_large_day_are_read_as_those_of_a_small_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for part in (1, 2):
        lines = (f'{n},"{"ä" * (n % 9)}\r\n{n}",{n / 8},{"" if n % 5 else "x"}\r\n' for n in range(part * 400))
        content = "\ufeffk,words,number,gap\r\n" + "".join(lines)
        (tmp_path / f"{part}-{DAY}.csv").write_bytes(content.encode("utf-8"))
    reader = CsvReader(kind="csv", path=f"{tmp_path}/*-{{partition}}.csv")
    small = read_day(reader, DAY, Path())
    request.getfixturevalue("tight")
    large = read_day(reader, DAY, Path())
    assert large.table.equals(small.table)
    assert large.inputs == small.inputs


def test_a_line_break_in_a_field_survives_the_end_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_split, "BLOCK", 997)
    lines = [f'{n},"x\r\n{"y" * (n % 7)}"\n' for n in range(2000)]
    (tmp_path / f"{DAY}.csv").write_text("k,t\n" + "".join(lines), newline="")
    found = read_day(CsvReader(kind="csv", path=f"{tmp_path}/{{partition}}.csv"), DAY, Path()).table["t"]
    assert {value.rstrip("y") for value in found.to_pylist()} == {"x\r\n"}


@pytest.mark.parametrize("key", [["a"], ["a", "b"]])
def test_rows_in_order_of_their_key_are_those_that_arrow_sorts(key: list[str], tight: None) -> None:
    rng = np.random.default_rng(0)
    columns = {"a": rng.permutation(50).astype(float), "b": [f"b{n}" for n in range(50)], "c": [[n] for n in range(50)]}
    parts = [pa.table(columns).slice(begin, 9) for begin in range(0, 50, 9)]
    table = pa.concat_tables(parts)
    assert key_order.in_order(table, key_order.key_order(table, key)).equals(
        table.sort_by([(k, "ascending") for k in key])
    )


def test_a_key_that_occurs_twice_is_seen_across_all_parts(tight: None) -> None:
    keys = [*range(100), 3, 41, 3]
    rows = pa.table({"k": keys, "x": [0.5] * 103, "late": [1] * 103})
    with pytest.raises(DataRefused, match=r"column k: 2 keys occur more than once \(for example \(3,\), \(41,\)\)"):
        structure.labels_of_day(rows, ["k"], structure.LabelRules("late", "classification"), "source")


def _query(url: str, query: str) -> SqlReader:
    return SqlReader.model_validate({"kind": "sql", "url_variable": url, "query": query})


@pytest.mark.parametrize(
    "values",
    ["(1), (2), (null), (null), (5)", "(null), (null), (1.5), (2), (3)", "('a'), ('b'), (null), (null), (null)"],
)
def test_a_query_gives_the_same_column_however_many_rows_are_fetched_at_a_time(
    values: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db")
    reader = _query("SHOP_URL", f"select column1 as x from (values {values}) where :partition is not null")
    at_once = read_day(reader, DAY, Path()).table
    monkeypatch.setattr(sql, "FETCHED", 2)
    assert read_day(reader, DAY, Path()).table.equals(at_once)


def test_a_database_that_mixes_types_far_apart_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db")
    monkeypatch.setattr(sql, "FETCHED", 2)
    query = "select column1 as x from (values (1), (2), ('three')) where :partition is not null"
    with pytest.raises(DataRefused, match="column 'x' holds values of more than one type"):
        read_day(_query("SHOP_URL", query), DAY, Path())


ONE = pa.table({"k": [1]})
GIVEN: dict[str, tuple[object, ...]] = {}


def given(day: date) -> Iterator[object]:
    """A reader that yields its day in parts."""
    yield from GIVEN["parts"]


def _given(*parts: object) -> pa.Table:
    GIVEN["parts"] = parts
    return read_day(PythonReader(kind="python", function=f"{__name__}:given"), DAY, Path()).table


def test_a_function_may_yield_its_day_in_parts(tight: None) -> None:
    parts = (
        pd.DataFrame({"k": [1, 2], "x": [None, None]}),
        pa.table({"x": [0.5], "k": [3]}),
        pa.record_batch({"k": [4], "x": [2]}),
    )
    assert _given(*parts).to_pydict() == {"k": [1, 2, 3, 4], "x": [None, None, 0.5, 2.0]}


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ((), UsageError, "yielded nothing; expected at least one table"),
        (({"k": 1},), UsageError, "returned a dict; expected .* or an iterator of such tables"),
        (
            (pa.table({"k": [1]}), pa.table({"k": ["a"]})),
            DataRefused,
            "column 'k' has different types .*: int64, string",
        ),
        (
            (pa.table({"k": [1]}), pa.table({"k": [1], "x": [1]})),
            DataRefused,
            "column x is in some parts of one day only",
        ),
    ],
)
def test_parts_that_make_no_table_are_refused(parts: tuple[object, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        _given(*parts)


def test_no_scratch_file_stays_and_a_full_disk_is_named(
    tight: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill.tempfile, "tempdir", str(tmp_path))
    column = spill.spilled(pa.chunked_array([[1, 2], [3]]))
    assert column.to_pylist() == [1, 2, 3]
    content = spill.content_of([b"ab", b"c"])
    assert content[:] == b"abc"
    assert list(tmp_path.iterdir()) == []

    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spill.pa, "OSFile", full)
    with pytest.raises(spill.NoScratchSpace, match=rf"no room in {tmp_path} for the scratch files .* or set TMPDIR"):
        spill.spilled(column)
