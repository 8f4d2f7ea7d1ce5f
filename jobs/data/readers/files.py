"""The files of one day: found, and read by their format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from jobs.data.readers.csv_files import csv_table
from jobs.data.readers.parquet_files import parquet_table
from jobs.data.readers.source_day import SourceDay, SourceFile
from jobs.data.reasons import NothingThere
from jobs.data.spill import content_of, read_blocks
from tidewheel.errors import UsageError
from tidewheel.spec.sections import CsvReader, FileReader

if TYPE_CHECKING:
    import pyarrow as pa


def read_files(
    reader: FileReader, day: date, project: Path, types: Mapping[str, pa.DataType], section: str
) -> SourceDay:
    """Read the files of one day. See `jobs.data.readers.read_day`."""
    files = _find(reader, day, project)
    table = csv_table(files, reader, types, section) if isinstance(reader, CsvReader) else parquet_table(files)
    return SourceDay(table, ", ".join(file.url for file in files), files)


def _find(reader: FileReader, day: date, project: Path) -> tuple[SourceFile, ...]:
    pattern = reader.path.replace("{partition}", str(day))
    located = pattern if "://" in pattern else str(project / pattern)
    filesystem, path = fsspec.core.url_to_fs(located)
    # Nothing but `*` is a pattern: a folder may be called `[2024]`.
    files_like = re.sub(r"[?\[]", r"[\g<0>]", path)
    matches = sorted(filesystem.glob(files_like)) if "*" in path else [path] if filesystem.exists(path) else []
    if not matches:
        raise NothingThere(located, "no such file", "expected the rows of its day. Is the source late?")
    try:
        return tuple(_copied(filesystem, str(one)) for one in matches)
    except IsADirectoryError as error:
        raise UsageError(
            f"{located} names a folder; expected its files, for example {located}/*.{reader.kind}"
        ) from error


def _copied(filesystem: fsspec.AbstractFileSystem, path: str) -> SourceFile:
    """A file as it is now: what is landed of it and what is archived are the same, whatever becomes of the source."""
    with filesystem.open(path, "rb") as opened:
        return SourceFile(path, content_of(read_blocks(opened)))
