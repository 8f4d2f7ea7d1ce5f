"""A day from a database: values as the query gives them, and what is said when it gives none."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from jobs.data.readers import read_day
from tidewheel.errors import DataRefused, SettingsError, SourceError, UsageError
from tidewheel.hours import Hour
from tidewheel.spec.sections import Reader

DAY = date(2024, 3, 1)


def _reader(**keys: str) -> Reader:
    return TypeAdapter[Reader](Reader).validate_python(keys)


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


def test_an_hour_is_bound_as_the_moment_at_which_it_begins(database: str) -> None:
    reader = _reader(
        kind="sql", url_variable="SHOP_URL", query="select :partition as hour, strftime('%H', :partition) h"
    )
    found = read_day(reader, Hour(2024, 3, 1, 7), Path())
    assert found.table.to_pydict() == {"hour": ["2024-03-01 07:00:00.000000"], "h": ["07"]}
    assert found.name == "the query on SHOP_URL for 2024-03-01T07"


def test_sql_without_rows_has_still_its_columns(database: str) -> None:
    found = read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), date(2030, 1, 1), Path())
    assert (found.table.num_rows, found.table.column_names) == (0, ["day", "amount"])


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select * from oders where day = :partition", "no such table: oders"),
        ("selct :partition", "syntax error"),
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
    with pytest.raises(
        DataRefused, match="the query on SHOP_URL for 2024-03-01: column 'x' holds values of more than one"
    ):
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path())


def test_a_database_without_a_url_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.delenv("SHOP_URL")
    with pytest.raises(SettingsError, match="SHOP_URL is not set"):
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=database), DAY, Path())


@pytest.fixture
def select(postgres_url: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], pa.Table]:
    """Reads one day by a list of expressions of PostgreSQL."""
    monkeypatch.setenv("SHOP_URL", postgres_url("postgres"))

    def read(rows: str) -> pa.Table:
        query = f"select * from ({rows}) as t where cast(:partition as date) is not null"
        return read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path()).table

    return read


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("cast('' as text)", pa.string(), ""),
        ("cast('00123' as char(5))", pa.string(), "00123"),
        ("cast(7 as smallint)", pa.int64(), 7),
        ("9223372036854775807", pa.int64(), 2**63 - 1),
        ("true", pa.bool_(), True),
        ("cast(0.1 as double precision)", pa.float64(), 0.1),
        ("cast(12.50 as numeric(10, 2))", pa.decimal128(4, 2), Decimal("12.50")),
        ("cast('1e40' as numeric)", pa.decimal256(41, 0), Decimal(10) ** 40),
        ("date '2024-02-29'", pa.date32(), date(2024, 2, 29)),
        ("date '9999-12-31'", pa.date32(), date(9999, 12, 31)),
        ("time '08:15'", pa.time64("us"), time(8, 15)),
        ("timestamp '2024-03-01 10:00:00.123456'", pa.timestamp("us"), datetime(2024, 3, 1, 10, 0, 0, 123456)),
        ("timestamptz '2024-03-01 10:00+05:30'", pa.timestamp("us", "UTC"), datetime(2024, 3, 1, 4, 30, tzinfo=UTC)),
        ("cast('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' as uuid)", pa.string(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (r"cast('\x00ff' as bytea)", pa.binary(), b"\x00\xff"),
        ("array[1, 2, null]", pa.list_(pa.int64()), [1, 2, None]),
        ("array[array['a'], array['']]", pa.list_(pa.list_(pa.string())), [["a"], [""]]),
        ("cast(null as date)", pa.null(), None),
    ],
)
def test_a_type_of_a_database_keeps_its_value(
    select: Callable[[str], pa.Table], expression: str, kind: pa.DataType, value: object
) -> None:
    column = select(f"select {expression} as x")["x"]
    assert (column.type, column.to_pylist()) == (kind, [value])
    beside_nothing = select(f"select 1 as n, {expression} as x union all select 2, null order by n")["x"]
    assert beside_nothing.to_pylist() == [value, None]


def test_a_number_that_is_none_stays_one(select: Callable[[str], pa.Table]) -> None:
    nan, missing = select("select cast('nan' as float8) as x, 1 as n union all select null, 2 order by n")[
        "x"
    ].to_pylist()
    assert math.isnan(nan)
    assert missing is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("cast('{\"a\": 1}' as json)", "holds values of type dict.*expected text, numbers"),
        ("cast('[1, \"a\"]' as json)", "holds values of more than one type, for example 1 .int., 'a' .str."),
        ("interval '1 month'", "is an interval, which may hold months.*extract"),
        ("timetz '08:15+02'", "holds times of day with a zone"),
        ("int4range(1, 5)", r"holds values of type psycopg2\S*Range"),
        ("cast(10 as numeric) ^ 80", r"holds decimal\.Decimal values that no column can hold"),
        ("cast('nan' as numeric)", r"holds Decimal\('NaN'\)"),
        ("date '0044-03-15 BC'", "a value that Python does not have"),
        ("timestamp '20000-01-01'", "a value that Python does not have"),
        ("date 'infinity'", "a value that Python does not have: infinity; cast it in the query"),
        ("timestamp '-infinity'", "a value that Python does not have: -infinity"),
        ("timestamptz 'infinity'", "a value that Python does not have: infinity"),
        ("time '24:00'", "a value that Python does not have: 24:00:00"),
        ("array[time '24:00']", "a value that Python does not have: 24:00:00"),
        ("timetz '24:00+02'", r"a value that Python does not have: 24:00:00\+02"),
        ("array[interval '1 month']", "is an interval, which may hold months"),
    ],
)
def test_a_type_that_no_column_can_hold_is_named_with_its_column(
    select: Callable[[str], pa.Table], expression: str, words: str
) -> None:
    expression = expression.replace(":", r"\:")
    with pytest.raises(DataRefused, match=f"the query on SHOP_URL for 2024-03-01.*{words}.*"):
        select(f"select {expression} as x")


def test_two_columns_of_one_name_are_refused(select: Callable[[str], pa.Table], database: str) -> None:
    query = "select a.day, b.* from orders a join orders b on a.day = b.day where a.day = :partition"
    with pytest.raises(DataRefused, match=r"same name: 'day' \(columns 1, 2\).*name it in the query with `as`"):
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("1), ('one'", "holds values of more than one type, for example 1 (int), 'one' (str)"),
        (
            "1.5), ('one'), (x'00'",
            "holds values of more than one type, for example 1.5 (float), 'one' (str), b'\\x00' (bytes)",
        ),
        ("9007199254740993), (0.5", "holds 9007199254740993 (int) beside floats, which change it"),
    ],
)
def test_values_of_more_than_one_type_in_a_column_are_refused(database: str, values: str, words: str) -> None:
    query = f"select column1 as x from (values ({values})) where :partition = :partition"
    with pytest.raises(DataRefused) as caught:
        read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path())
    assert f"column 'x' {words}" in str(caught.value)


def test_whole_numbers_beside_others_become_floats_where_none_changes(database: str) -> None:
    query = "select column1 as x from (values (1), (0.5), (null)) where :partition = :partition"
    column = read_day(_reader(kind="sql", url_variable="SHOP_URL", query=query), DAY, Path()).table["x"]
    assert (column.type, column.to_pylist()) == (pa.float64(), [1, 0.5, None])
