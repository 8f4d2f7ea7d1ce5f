"""Readers: one day from Parquet, CSV, a database or a function; what they say when it cannot be read."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from jobs.data.readers import UnreadableFile, read_day
from tidewheel.errors import DataRefused, SettingsError, SourceError, SpecError, UsageError
from tidewheel.spec.sections import Reader

DAY = date(2024, 3, 1)


def _reader(**keys: str) -> Reader:
    return TypeAdapter[Reader](Reader).validate_python(keys)


def test_parquet_by_path_relative_to_the_project(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1, 2]}), tmp_path / f"{DAY}.parquet")
    found = read_day(_reader(kind="parquet", path="{partition}.parquet"), DAY, tmp_path)
    assert found.table["x"].to_pylist() == [1, 2]
    (name,) = found.inputs
    assert name == f"source/{tmp_path}/{DAY}.parquet"


def test_several_files_of_a_day_are_one_table_in_order(tmp_path: Path) -> None:
    (tmp_path / str(DAY)).mkdir()
    for name, value in (("b", "2"), ("a", "1")):
        (tmp_path / str(DAY) / f"{name}.csv").write_text(f"x\n{value}\n")
    found = read_day(_reader(kind="csv", path=f"{tmp_path.as_uri()}/{{partition}}/*.csv"), DAY, Path())
    assert found.table["x"].to_pylist() == [1, 2]
    assert len(found.files) == 2


def test_a_folder_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    project = tmp_path / "shop [2024]?"
    (project / "data").mkdir(parents=True)
    (project / "data" / "one.csv").write_text("id\n1\n")
    assert read_day(_reader(kind="csv", path="data/*.csv"), DAY, project).table["id"].to_pylist() == [1]


def test_files_of_a_day_with_other_columns_are_unreadable(tmp_path: Path) -> None:
    for name, column in (("a", "x"), ("b", "y")):
        (tmp_path / f"{name}.csv").write_text(f"{column}\n1\n")
    with pytest.raises(UnreadableFile, match=r"b\.csv: columns y are not those of a\.csv of the same day \(x\)"):
        read_day(_reader(kind="csv", path="*.csv"), DAY, tmp_path)


def test_csv_may_be_compressed_and_knows_the_usual_signs_of_unknown(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"n,s\n1,a\nNA,\n"))
    table = read_day(_reader(kind="csv", path="x.csv.gz"), DAY, tmp_path).table
    assert table.to_pydict() == {"n": [1, None], "s": ["a", None]}


def test_a_key_in_a_csv_file_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("id,n\n00123,1\n4,2\n")
    table = read_day(_reader(kind="csv", path="x.csv"), DAY, tmp_path, {"id": pa.string()}).table
    assert table.to_pydict() == {"id": ["00123", "4"], "n": [1, 2]}


@pytest.mark.parametrize(
    ("kind", "content"),
    [("csv", b"a,b\n1,2\n3"), ("csv", b""), ("parquet", b"PAR1"), ("csv.gz", gzip.compress(b"a,b\n1,2\n" * 99)[:30])],
    ids=["a row too short", "nothing", "a magic number only", "a cut gzip stream"],
)
def test_an_incomplete_file_is_named(tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / f"x.{kind}"
    file.write_bytes(content)
    with pytest.raises(UnreadableFile, match=rf"{file}: not a complete \w+ file \({len(content)} bytes\)") as caught:
        read_day(_reader(kind=kind.split(".")[0], path=file.name), DAY, tmp_path)
    assert caught.value.file.content == content


def test_a_csv_file_in_another_encoding_names_the_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("id,name\n1,Jürgen\n".encode("latin-1"))
    with pytest.raises(UnreadableFile, match=r"x\.csv: column name holds text that is not UTF-8"):
        read_day(_reader(kind="csv", path="x.csv"), DAY, tmp_path, {"id": pa.string()})


def test_a_folder_in_place_of_a_file_is_told_how_to_name_its_files(tmp_path: Path) -> None:
    (tmp_path / str(DAY)).mkdir()
    with pytest.raises(UsageError, match=rf"{DAY} names a folder; expected its files, for example .*{DAY}/\*\.parquet"):
        read_day(_reader(kind="parquet", path="{partition}"), DAY, tmp_path)


def test_a_missing_file_may_be_late_and_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{DAY}.csv: no such file"):
        read_day(_reader(kind="csv", path="{partition}.csv"), DAY, tmp_path)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("create table orders (day text, amount real)")
    connection.executemany("insert into orders values (?, ?)", [("2024-03-01", 2.5), ("2024-03-02", 9)])
    connection.commit()
    connection.close()
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db")
    return "select * from orders where day = :partition"


def test_sql_reads_the_day_it_is_asked_for(database: str) -> None:
    found = read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), DAY, Path())
    assert found.table.to_pydict() == {"day": ["2024-03-01"], "amount": [2.5]}


def test_sql_without_rows_has_still_its_columns(database: str) -> None:
    found = read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), date(2030, 1, 1), Path())
    assert (found.table.num_rows, found.table.column_names) == (0, ["day", "amount"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select * from oders where day = :partition", "no such table: oders"),
        ("selct :partition", "syntax error"),
        ("select * from orders where day = :partition and amount = :amount", "amount"),
        ("delete from orders where day = :partition", "does not return rows"),
    ],
)
def test_a_wrong_query_names_the_variable_and_is_not_worth_another_try(database: str, query: str, reason: str) -> None:
    reader = _reader(kind="sql", url_variable="SHOP_URL", query=query)
    with pytest.raises(UsageError, match=rf"SHOP_URL.*{reason}.*correct `query`") as caught:
        read_day(reader, DAY, Path())
    assert "shop.db" not in str(caught.value)


def test_a_database_that_is_away_or_busy_is_worth_another_try(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader = _reader(kind="sql", url_variable="SHOP_URL", query=database)
    holder = sqlite3.connect(tmp_path / "shop.db", isolation_level="EXCLUSIVE")
    holder.execute("begin exclusive")
    monkeypatch.setenv("SHOP_URL", f"sqlite:///{tmp_path}/shop.db?timeout=0")
    with pytest.raises(SourceError, match="SHOP_URL did not answer for 2024-03-01: database is locked"):
        read_day(reader, DAY, Path())
    holder.close()
    monkeypatch.setenv("SHOP_URL", "postgresql+psycopg2://shop:s3cret@127.0.0.1:1/shop")
    with pytest.raises(SourceError, match=r"SHOP_URL did not answer for 2024-03-01: [\s\S]*refused") as caught:
        read_day(reader, DAY, Path())
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg2://me:s3c@ret:x@h:abc/d", "no SQLAlchemy URL; expected .*%40"),
        ("s3cret", "no SQLAlchemy URL"),
        ("postgres://me:s3cret@host/shop", "with postgres, which SQLAlchemy does not know; .*postgresql"),
        ("mysql+pymysql://me:s3cret@host/shop", r"driver is not installed \(no module pymysql\): install"),
    ],
)
def test_a_wrong_url_names_the_variable_and_nothing_of_the_password(
    monkeypatch: pytest.MonkeyPatch, database: str, url: str, words: str
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SettingsError, match=f"SHOP_URL .*{words}") as caught:
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), DAY, Path())
    assert not any(part in str(caught.value) for part in ("s3c", "ret:x", "abc"))


def test_a_column_of_mixed_types_in_a_database_is_refused(database: str) -> None:
    query = "select 1 as x, :partition as day union all select 'one', :partition"
    with pytest.raises(DataRefused, match="the query on SHOP_URL for 2024-03-01: a column holds values of more than"):
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path())


def test_a_database_without_a_url_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.delenv("SHOP_URL")
    with pytest.raises(SettingsError, match="SHOP_URL is not set"):
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), DAY, Path())


def frame(day: date) -> pd.DataFrame:
    return pd.DataFrame({"day": [day]})


def table(day: date) -> pa.Table:
    return pa.table({"day": [day]})


def mixed(day: date) -> pd.DataFrame:
    return pd.DataFrame({"x": [1, "one"]})


def nothing(day: date) -> None:
    return None


@pytest.mark.parametrize("function", [frame, table])
def test_a_function_may_return_pandas_or_arrow(function: Callable[[date], object]) -> None:
    found = read_day(_reader(kind="python", function=f"{__name__}:{function.__name__}"), DAY, Path())
    assert found.table["day"].to_pylist() == [DAY]


def test_a_function_that_returns_no_table_is_told_what_is_expected() -> None:
    with pytest.raises(UsageError, match=r"nothing\(2024-03-01\) returned a NoneType; expected a pandas.DataFrame"):
        read_day(_reader(kind="python", function=f"{__name__}:nothing"), DAY, Path())


def test_a_column_of_mixed_types_is_refused() -> None:
    with pytest.raises(DataRefused, match="values of more than one type"):
        read_day(_reader(kind="python", function=f"{__name__}:mixed"), DAY, Path())


def test_a_misspelt_function_gets_a_hint() -> None:
    with pytest.raises(SpecError, match="has no function 'frames', did you mean 'frame'"):
        read_day(_reader(kind="python", function=f"{__name__}:frames"), DAY, Path())
    with pytest.raises(SpecError, match=r"no module 'jobs\.pipelines\.nowhere'"):
        read_day(_reader(kind="python", function="jobs.pipelines.nowhere:read"), DAY, Path())
