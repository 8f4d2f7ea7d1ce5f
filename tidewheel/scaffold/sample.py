"""What a new pipeline is made from: the rows of a file, of a file a day, or of a database, as one table."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tidewheel.errors import SettingsError, SourceError, UsageError
from tidewheel.partitions import day_of
from tidewheel.scaffold.dialect import HEAD_BYTES, Dialect, sniff
from tidewheel.spec.sections import VARIABLE

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy.engine import Engine

MOST_FILES = 120
MOST_ROWS = 1_000_000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
KINDS: dict[str, Literal["csv", "parquet"]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
# What people write besides ISO 8601; the first that reads all values is taken.
TIME_FORMATS = (
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y"),
    *("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"),
)


@dataclass(frozen=True)
class Sample:
    """Rows, and how they were read.

    Attributes:
        table: the rows; text that holds times is a timestamp.
        kind: `file` holds many days, `files` is one file a day, `database` is queried for a day.
        origin: for a person.
        format: of files.
        path: of a file, or of the files of a day with `{partition}` for the day.
        dialect: of CSV files.
        time_formats: how a column's times are written, where it is not ISO 8601.
        written_numbers: columns of numbers such as 1.234,50, which a CSV reader takes for text.
        file_days: the day that the name of each row's file holds, for `files`.
        variable: environment variable of a database.
        query: that was sent to it.
        left_out: files that were not looked at.
    """

    table: pa.Table
    kind: Literal["file", "files", "database"]
    origin: str
    format: Literal["csv", "parquet"] | None = None
    path: str = ""
    dialect: Dialect = field(default_factory=Dialect)
    time_formats: dict[str, str] = field(default_factory=dict)
    written_numbers: frozenset[str] = frozenset()
    file_days: pa.ChunkedArray | None = None
    variable: str = ""
    query: str = ""
    left_out: int = 0


def read_sample(source: str, query: str | None, table: str | None, project: Path) -> Sample:
    """Read what `--from` names.

    Args:
        source: a file, a folder of files, or the name of an environment variable that holds a database's URL.
        query: sent to the database; with or without the parameter `:partition`.
        table: read instead of a query.
        project: folder that paths in a pipeline file start at.

    Raises:
        UsageError: it is none of these, or cannot be read.
        SettingsError: the variable is not set.
        SourceError: the database does not answer.
    """
    if query or table:
        return _from_database(source, query, table)
    path = Path(source).expanduser()
    if path.is_dir():
        return _from_folder(path, project)
    if path.is_file():
        return _from_file(path, project)
    if "://" in source:
        raise UsageError(
            f"{source.split('://', maxsplit=1)[0]}://… is a URL, in which a password may stand: put it into an "
            "environment "
            "variable, and give that variable's name with --table or --query; or copy files of an object store here "
            "first"
        )
    if re.fullmatch(VARIABLE, source):
        raise UsageError(f"{source} looks like an environment variable: say with --table or --query what to read there")
    raise UsageError(f"{source}: no such file or folder; expected a CSV or Parquet file, or a folder of them")


def _from_file(path: Path, project: Path) -> Sample:
    kind = _format(path)
    dialect = _sniffed(path) if kind == "csv" else Dialect()
    table, numbers = _with_numbers(_read(path, kind, dialect), dialect)
    table, formats = _with_times(table)
    return Sample(table, "file", path.name, kind, _place(path, project), dialect, formats, numbers)


def _from_folder(folder: Path, project: Path) -> Sample:
    """A folder of files whose names, or whose folders' names, hold a day."""
    import pyarrow as pa

    files = sorted(file for file in folder.rglob("*") if file.is_file() and _format_or_none(file))
    if not files:
        raise UsageError(f"{folder}: no CSV or Parquet file in it or below it")
    days = [DAY.search(str(file.relative_to(folder))) for file in files]
    undated = [file for file, day in zip(files, days, strict=True) if day is None]
    if undated:
        raise UsageError(
            f"{undated[0]}: its name holds no day; expected one file (or folder) a day, named like "
            "orders-2026-01-31.csv, "
            "or one file that holds all days"
        )
    patterns = {DAY.sub("{partition}", str(file.relative_to(folder)), count=1) for file in files}
    suffixes = {file.suffix for file in files}
    if len(suffixes) > 1:
        raise UsageError(f"{folder} holds files of several kinds ({', '.join(sorted(suffixes))}); expected one kind")
    if len(patterns) > 1:  # several files in a folder a day
        patterns = {re.sub(r"[^/]*$", f"*{suffixes.copy().pop()}", pattern) for pattern in patterns}
    if len(patterns) > 1 or "{partition}" not in min(patterns):
        raise UsageError(
            f"{folder}: the files are not named alike, only their day may differ: {', '.join(sorted(patterns)[:3])}"
        )
    newest = files[-MOST_FILES:]
    kind, dialect = _format(files[0]), _sniffed(files[0]) if _format(files[0]) == "csv" else Dialect()
    tables = [_read(file, kind, dialect) for file in newest]
    try:
        together = pa.concat_tables(tables, promote_options="permissive")
        table, numbers = _with_numbers(together, dialect)
        table, formats = _with_times(table)
    except pa.ArrowException as error:
        raise UsageError(f"{folder}: the files have different types: {error}") from error
    named = [DAY.search(str(file.relative_to(folder))) for file in newest]
    file_days = [day[0] for day, one in zip(named, tables, strict=True) if day for _ in range(one.num_rows)]
    path = f"{_place(folder, project)}/{patterns.pop()}"
    return Sample(
        table, "files", f"{len(newest)} files {path}", kind, path, dialect, formats, numbers,
        pa.chunked_array([pa.array([day_of(day) for day in file_days], pa.date32())]),
        left_out=len(files) - len(newest),
    )  # fmt: skip


def _from_database(variable: str, query: str | None, table: str | None) -> Sample:
    import pyarrow as pa
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    if not re.fullmatch(VARIABLE, variable):
        raise UsageError(
            f"{variable!r} is no environment variable; expected the name of one that holds the database's URL, for "
            "example SHOP_DATABASE_URL, so that no password stands in a file"
        )
    engine = engine_of(variable)
    if query and ":partition" in query:
        raise UsageError("--query is wrapped into a query for one day: give it without the parameter :partition")
    try:
        quote = engine.dialect.identifier_preparer.quote
        named = ".".join(quote(part) for part in (table or "").split("."))  # a schema may stand before the table
        statement = f"select * from {named}" if table else str(query).rstrip("; \n")  # noqa: S608  quoted above
        with engine.connect() as connection:
            result = connection.execute(text(f"select * from ({statement}) as sample limit {MOST_ROWS}"))  # noqa: S608
            names, rows = list(result.keys()), result.fetchall()
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise SourceError(f"the database of {variable} did not answer: {reason}") from error
    finally:
        engine.dispose()
    if not rows:
        raise UsageError(f"{table or 'the query'} has no rows to learn from")
    try:
        columns = {name: pa.array(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    except pa.ArrowException as error:
        raise UsageError(f"{table or 'the query'}: a column holds values of more than one type: {error}") from error
    found, formats = _with_times(pa.table(columns))
    return Sample(
        found,
        "database",
        f"{table or 'the query'} of {variable}",
        time_formats=formats,
        variable=variable,
        query=statement,
    )


def engine_of(variable: str) -> Engine:
    """The database that an environment variable names; no message repeats its URL."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    given = os.environ.get(variable)
    if not given:
        raise SettingsError(f"{variable} is not set; expected the SQLAlchemy URL of the source's database")
    try:
        return create_engine(given)
    except (ArgumentError, ValueError, NoSuchModuleError, ModuleNotFoundError):
        raise SettingsError(
            f"{variable} is no SQLAlchemy URL of an installed driver; expected dialect+driver://user:password@host/database"
        ) from None


def _read(path: Path, kind: str, dialect: Dialect) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    try:
        if kind == "parquet":
            return pq.read_table(path)
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(encoding=dialect.encoding),
            parse_options=pa.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                null_values=NULLS, strings_can_be_null=True, decimal_point=dialect.decimal
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as {kind}: {error}") from error


def _with_numbers(table: pa.Table, dialect: Dialect) -> tuple[pa.Table, frozenset[str]]:
    """The table with text such as 1.234,50 as numbers, and the names of these columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = set()
    if dialect.thousands is None:
        return table, frozenset()
    for place, column in enumerate(table.schema):
        if not pa.types.is_string(column.type):
            continue
        digits = pc.replace_substring(table.column(place), dialect.thousands, "")
        try:
            numbers = pc.replace_substring(digits, dialect.decimal, ".").cast(pa.float64())
        except pa.ArrowException:
            continue
        table = table.set_column(place, column.name, numbers)
        found.add(column.name)
    return table, frozenset(found)


def _with_times(table: pa.Table) -> tuple[pa.Table, dict[str, str]]:
    """The table with text that is times as timestamps, and the formats they were written in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    formats: dict[str, str] = {}
    for place, column in enumerate(table.schema):
        values = table[column.name] if table.column_names.count(column.name) == 1 else table.column(place)
        if pa.types.is_dictionary(column.type):
            table = table.set_column(place, column.name, values.cast(column.type.value_type))
            continue
        if pa.types.is_null(column.type):
            table = table.set_column(place, column.name, values.cast(pa.string()))
            continue
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        some = pc.unique(values.drop_null()).slice(0, 2000)
        if not len(some) or not re.match(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", some[0].as_py()):
            continue
        for time_format in ("zoned", "", *TIME_FORMATS):
            try:
                if time_format in ("zoned", ""):
                    read = values.cast(pa.timestamp("us", "UTC" if time_format else None))
                else:
                    read = pc.strptime(values, format=time_format, unit="us")
            except pa.ArrowException:
                continue
            table = table.set_column(place, column.name, read)
            if time_format in TIME_FORMATS:
                formats[column.name] = time_format
            break
    return table, formats


def _sniffed(path: Path) -> Dialect:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def _format(path: Path) -> Literal["csv", "parquet"]:
    if found := _format_or_none(path):
        return found
    raise UsageError(f"{path}: expected a file that ends in .csv, .tsv, .txt or .parquet")


def _format_or_none(path: Path) -> Literal["csv", "parquet"] | None:
    return KINDS.get(path.suffix.lower())


def _place(path: Path, project: Path) -> str:
    """The path as a pipeline file names it: from the project's folder on where it lies there."""
    absolute, root = path.resolve(), project.resolve()
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else str(absolute)
