"""The rows of one day from a database, by a query of the pipeline's own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.data.column_types import DIGITS
from jobs.data.readers.source_day import SourceDay, name_problem
from jobs.data.readers.values import ValueProblem, array_of
from jobs.data.reasons import NothingThere, RowsRefused
from jobs.data.spill import by_schema, each_column, spilled
from tidewheel.errors import SettingsError, UsageError
from tidewheel.spec.sections import SqlReader

if TYPE_CHECKING:
    from sqlalchemy import Date, DateTime
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import SQLAlchemyError

FETCHED = 20_000  # rows at a time
# Numbers of PostgreSQL's types. Of a month in an interval psycopg2 makes 30 days.
POSTGRES_INTERVALS = (1186, 1187)  # one, and an array of them
POSTGRES_TIMES = {  # numbers of a type and of arrays of it
    (1082, 1182): "PYDATE",
    (1083, 1183): "PYTIME",
    (1266, 1270): "PYTIME",  # with a zone
    (1114, 1115): "PYDATETIME",
    (1184, 1185): "PYDATETIMETZ",
}
NO_TIMES = ("infinity", "-infinity", "24:00:00")


def read_sql(reader: SqlReader, day: date) -> SourceDay:
    """Read the rows that a query gives for one day. See `jobs.data.readers.read_day`."""
    from sqlalchemy import bindparam, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = _engine(reader.url_variable)
    name = f"the query on {reader.url_variable} for {day}"
    try:
        with engine.connect() as connection:
            if engine.driver == "psycopg2":
                _read_times_as_they_are(connection.connection.driver_connection)
            query = text(reader.query).bindparams(bindparam("partition", *_partition(day)))
            result = connection.execution_options(stream_results=True, max_row_buffer=FETCHED).execute(query)
            names = list(result.keys())
            _check_columns(names, _type_codes(engine, result), name)
            tables = by_schema(_tables(result, names, name))
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        if _may_answer_later(error):
            problem = f"the database of {reader.url_variable} did not answer for {day}: {reason}"
            raise NothingThere("", problem, "the query is repeated later") from error
        raise UsageError(f"{name} cannot be answered: {reason}; correct `query` in the pipeline's file") from error
    except (ValueError, OverflowError, ArithmeticError) as error:  # a driver of a date before the year 1, or infinite
        problem = f"{name} gives a value that Python does not have: {error}"
        raise RowsRefused("", problem, "cast it in the query") from error
    finally:
        engine.dispose()
    first, *others = tables
    if not others:
        return SourceDay(first, name)
    return SourceDay(each_column(first, lambda column, _: _column([one[column] for one in tables], column, name)), name)


def _partition(day: date) -> tuple[date, type[Date | DateTime]]:
    """The value of the query's parameter and its type; of an hour the moment at which it begins, without a zone."""
    from sqlalchemy import Date, DateTime

    return (datetime.combine(day.date(), day.time()), DateTime) if isinstance(day, datetime) else (day, Date)


def _check_columns(names: Sequence[str], codes: Sequence[object], query: str) -> None:
    if problem := name_problem(names, "name it in the query with `as`"):
        raise RowsRefused(query, *problem)
    if intervals := [column for column, code in zip(names, codes, strict=True) if code in POSTGRES_INTERVALS]:
        raise RowsRefused(
            query,
            f"column {', '.join(intervals)} is an interval, which may hold months and has no one length",
            "expected a number, for example extract(epoch from …)",
            intervals,
        )


def _tables(result: Any, names: Sequence[str], query: str) -> Iterator[pa.Table]:
    """The rows of a result, a part of them at a time; one table without rows where there are none."""
    rows = result.fetchmany(FETCHED)
    while True:
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        yield pa.table({name: _array(values, name, query) for name, values in zip(names, columns, strict=True)})
        if not (rows := result.fetchmany(FETCHED)):
            return


def _column(parts: Sequence[pa.ChunkedArray], column: str, query: str) -> pa.ChunkedArray:
    """A column of several parts, as if its values had come at once: what each part became depends on its values."""
    kinds = {part.type for part in parts if not pa.types.is_null(part.type)}
    if all(map(pa.types.is_decimal, kinds)) and kinds:
        whole, scale = max(kind.precision - kind.scale for kind in kinds), max(kind.scale for kind in kinds)
        kinds = {(pa.decimal128 if whole + scale <= DIGITS else pa.decimal256)(whole + scale, scale)}
    if len(kinds) > 1:
        return spilled(pa.chunked_array([_array([v for part in parts for v in part.to_pylist()], column, query)]))
    kind = next(iter(kinds), pa.null())
    cast = [part if part.type == kind else spilled(part.cast(kind)) for part in parts]
    return pa.chunked_array([chunk for part in cast for chunk in part.chunks], kind)


def _array(values: Sequence[object], column: str, query: str) -> pa.Array:
    try:
        return array_of(values)
    except ValueProblem as problem:
        expected = f"{problem.expected}; cast it in the query" if problem.expected else "cast it in the query"
        raise RowsRefused(query, f"column {column!r} {problem.found}", expected, [column]) from problem


def _read_times_as_they_are(connection: Any) -> None:
    """Have psycopg2 fail on what it would take for 9999-12-31, 0001-01-01 and midnight."""
    from psycopg2 import extensions

    def exactly(cast: Any) -> Any:
        def read(written: str | None, cursor: Any) -> object:
            if written is not None and written.startswith(NO_TIMES):
                raise ValueError(written)
            return cast(written, cursor)

        return read

    for (number, array), cast in POSTGRES_TIMES.items():
        kind = extensions.new_type((number,), cast, exactly(getattr(extensions, cast)))
        extensions.register_type(kind, connection)
        extensions.register_type(extensions.new_array_type((array,), cast, kind), connection)


def _type_codes(engine: Engine, result: Any) -> list[object]:
    """The driver's own codes of the columns' types, where they mean something to us."""
    described = result.cursor.description if engine.dialect.name == "postgresql" else None
    return [column[1] for column in described] if described else [None] * len(result.keys())


def _engine(variable: str) -> Engine:
    """The database that an environment variable names. No message repeats its URL: there is a password in it.

    Raises:
        SettingsError: it is not set, is no URL, or names a driver that is not installed.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    given = os.environ.get(variable)
    if not given:
        raise SettingsError(f"{variable} is not set; expected the SQLAlchemy URL of the source's database")
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # a wrong port is a ValueError, which repeats what it found
        raise SettingsError(
            f"{variable} is no SQLAlchemy URL; expected dialect+driver://user:password@host:port/database, where @ : / "
            "in a password are written %40 %3A %2F"
        ) from None
    try:
        return create_engine(url)
    except NoSuchModuleError as error:
        raise SettingsError(
            f"{variable} begins with {url.drivername}, which SQLAlchemy does not know; expected for example "
            "postgresql+psycopg2; some databases need a package of their own installed"
        ) from error
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{variable} begins with {url.drivername}, whose driver is not installed (no module {error.name}): install "
            "its package in the environment that runs the jobs, or name a driver that is there (postgresql+psycopg2)"
        ) from error


def _may_answer_later(error: SQLAlchemyError) -> bool:
    """Whether it is worth asking again: the database is away or busy. A query that is wrong stays wrong."""
    from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, TimeoutError

    if isinstance(error, OperationalError):  # also what SQLite says of a query that is wrong
        return getattr(error.orig, "sqlite_errorname", "") != "SQLITE_ERROR"
    return isinstance(error, InterfaceError | InternalError | TimeoutError)
