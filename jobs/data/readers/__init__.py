"""Reading one day from a source: Parquet or CSV files, a SQL query, or a function of the pipeline's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.data.readers.files import read_files
from jobs.data.readers.function import call_function
from jobs.data.readers.source_day import SourceDay, SourceFile, UnreadableFile
from jobs.data.readers.sql import read_sql
from tidewheel.spec.sections import FileReader, PythonReader, Reader, SqlReader

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SourceDay", "SourceFile", "UnreadableFile", "read_day"]


def read_day(
    reader: Reader,
    day: date,
    project: Path,
    types: Mapping[str, pa.DataType] | None = None,
    section: str = "source",
) -> SourceDay:
    """Read the rows of one day. A value is the one that the source has, or the day is refused.

    Args:
        reader: the `reader` section of a pipeline's source or labels.
        day: the partition to read.
        project: folder that relative paths start at.
        types: columns of a CSV file whose type is known: declared, or that of other days. Their fields are read as it,
            strictly. What other columns become is inferred from all fields of the day. Other sources have types of
            their own, which stay as they are.
        section: where the reader stands in the pipeline file, `source` or `labels`, for messages that name a key.

    Raises:
        UnreadableFile: a file is not in the declared format, or a field of it not of the known type.
        DataRefused: two columns have one name, or a column holds values of more than one type, or of a type that no
            batch can hold.
        SourceError: the source has no file for the day, or its database does not answer.
        UsageError: the reader's function or query does not give a table.
        SettingsError: the database's URL is missing, wrong, or of a driver that is not installed.
    """
    match reader:
        case FileReader():
            return read_files(reader, day, project, types or {}, section)
        case SqlReader():
            return read_sql(reader, day)
        case PythonReader():
            return call_function(reader, day)
