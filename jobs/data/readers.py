"""Reading one day from a source: Parquet or CSV files, a SQL query, or a function of the pipeline's own."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from jobs.data.code_reference import resolve
from tidewheel.errors import DataRefused, SettingsError, SourceError, UsageError
from tidewheel.spec.sections import FileReader, PythonReader, Reader, SqlReader

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.exc import SQLAlchemyError

# What people write into CSV files for "unknown", beside the empty field.
CSV_NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass(frozen=True)
class SourceFile:
    """A file of the source, as it was found."""

    url: str
    content: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class SourceDay:
    """What a source had for one day."""

    table: pa.Table
    name: str
    files: tuple[SourceFile, ...] = ()

    @property
    def inputs(self) -> Mapping[str, str]:
        """The source's files by hash, for the manifest."""
        return {f"source/{file.url}": file.sha256 for file in self.files}


class UnreadableFile(DataRefused):
    """A file of the source is not in the format that was declared."""

    def __init__(self, file: SourceFile, message: str) -> None:
        super().__init__(message)
        self.file = file


def read_day(
    reader: Reader, day: date, project: Path, types: Mapping[str, pa.DataType] = MappingProxyType({})
) -> SourceDay:
    """Read the rows of one day.

    Args:
        reader: the `reader` section of a pipeline's source or labels.
        day: the partition to read.
        project: folder that relative paths start at.
        types: Arrow types of columns that are already known. A CSV file has no types: these columns are read as what
            they are, the key as text, so that 00123 is not 123.

    Raises:
        UnreadableFile: a file is truncated or not in the declared format.
        DataRefused: a column holds values of more than one type.
        SourceError: the source has no file for the day, or its database does not answer.
        UsageError: the reader's function or query does not give a table.
        SettingsError: the database's URL is missing, wrong, or of a driver that is not installed.
    """
    match reader:
        case FileReader():
            return _read_files(reader, day, project, types)
        case SqlReader():
            return _read_sql(reader, day)
        case PythonReader():
            return _call(reader, day)


def _read_files(reader: FileReader, day: date, project: Path, types: Mapping[str, pa.DataType]) -> SourceDay:
    pattern = reader.path.replace("{partition}", day.isoformat())
    located = pattern if "://" in pattern else str(project / pattern)
    filesystem, path = fsspec.core.url_to_fs(located)
    # Nothing but `*` is a pattern: a folder may be called `[2024]`.
    files_like = re.sub(r"[?\[]", r"[\g<0>]", path)
    found = sorted(filesystem.glob(files_like)) if "*" in path else [path] if filesystem.exists(path) else []
    if not found:
        raise SourceError(f"{located}: no such file; expected the rows of {day}. Is the source late?")
    try:
        files = tuple(SourceFile(url=str(one), content=filesystem.cat_file(one)) for one in found)
    except IsADirectoryError as error:
        raise UsageError(
            f"{located} names a folder; expected its files, for example {located}/*.{reader.kind}"
        ) from error
    tables = [_parse(file, reader.kind, types) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table.column_names != tables[0].column_names:
            raise UnreadableFile(
                file,
                f"{file.url}: columns {', '.join(table.column_names)} are not those of {files[0].name} of the same day "
                f"({', '.join(tables[0].column_names)})",
            )
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UnreadableFile(files[0], f"{located}: the files of {day} have different types: {error}") from error
    return SourceDay(table, ", ".join(file.url for file in files), files)


def _parse(file: SourceFile, kind: str, types: Mapping[str, pa.DataType]) -> pa.Table:
    try:
        if kind == "parquet":
            return pq.read_table(pa.BufferReader(file.content))
        with pa.input_stream(pa.py_buffer(file.content), compression=_compression(file.name)) as stream:
            options = pa.csv.ConvertOptions(null_values=CSV_NULLS, strings_can_be_null=True, column_types=types)
            table = pa.csv.read_csv(stream, convert_options=options)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise UnreadableFile(
            file, f"{file.url}: not a complete {kind} file ({len(file.content)} bytes): {error}; land it again"
        ) from error
    if bare := [column.name for column in table.schema if pa.types.is_binary(column.type)]:  # what Arrow makes of it
        raise UnreadableFile(
            file, f"{file.url}: column {', '.join(bare)} holds text that is not UTF-8; write the file anew, and land it"
        )
    return table


def _compression(name: str) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(Path(name).suffix)


def _read_sql(reader: SqlReader, day: date) -> SourceDay:
    from sqlalchemy import Date, bindparam, text
    from sqlalchemy.exc import SQLAlchemyError

    engine = _engine(reader.url_variable)
    name = f"the query on {reader.url_variable} for {day}"
    try:
        with engine.connect() as connection:
            query = text(reader.query).bindparams(bindparam("partition", day, Date))
            result = connection.execute(query)
            names, rows = list(result.keys()), result.fetchall()
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        if _may_answer_later(error):
            raise SourceError(f"the database of {reader.url_variable} did not answer for {day}: {reason}") from error
        raise UsageError(f"{name} cannot be answered: {reason}; correct `query` in the pipeline's file") from error
    finally:
        engine.dispose()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    with _one_type_a_column(name):
        table = pa.table({name: pa.array(values) for name, values in zip(names, columns, strict=True)})
    return SourceDay(table, name)


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


def _call(reader: PythonReader, day: date) -> SourceDay:
    returned = resolve(reader.function)(day)
    name = f"{reader.function}({day})"
    if isinstance(returned, pa.Table):
        return SourceDay(returned, name)
    if not hasattr(returned, "columns"):
        raise UsageError(f"{name} returned a {type(returned).__name__}; expected a pandas.DataFrame or a pyarrow.Table")
    with _one_type_a_column(name):
        return SourceDay(pa.Table.from_pandas(returned, preserve_index=False), name)


@contextmanager
def _one_type_a_column(name: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise DataRefused(f"{name}: a column holds values of more than one type: {error}") from error
