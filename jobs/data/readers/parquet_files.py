"""The Parquet files of one day as one table, with the types that they have."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.data.readers.one_type import TypesDiffer, of_one_type
from jobs.data.readers.source_day import SourceFile, UnreadableFile, name_problem, same_columns
from jobs.data.spill import gathered

BATCH_ROWS = 65_536


def parquet_table(files: Sequence[SourceFile]) -> pa.Table:
    """The Parquet files of a day as one table.

    Raises:
        UnreadableFile: a file is no Parquet file or a part of one, or differs from the first in columns or types.
    """
    return _together(files, same_columns(files, [_parquet(file) for file in files]))


def _parquet(file: SourceFile) -> pa.Table:
    try:
        # A dataset, as `read_table` makes of it, fails on names that occur twice, in words of its own.
        with pq.ParquetFile(pa.BufferReader(pa.py_buffer(file.content)), pre_buffer=False) as opened:
            if problem := name_problem(opened.schema_arrow.names, "write the file with other names"):
                raise UnreadableFile(file, *problem)
            return gathered(opened.iter_batches(BATCH_ROWS, use_threads=False), opened.schema_arrow)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise UnreadableFile(
            file, f"not a complete parquet file ({len(file.content)} bytes): {error}", "land it again"
        ) from error


def _together(files: Sequence[SourceFile], tables: Sequence[pa.Table]) -> pa.Table:
    try:
        return of_one_type(tables)
    except TypesDiffer as error:
        kinds = {str(kind): file for kind, file in zip(error.kinds[::-1], files[::-1], strict=True)}
        found = ", ".join(f"{kind} in {file.name}" for kind, file in list(kinds.items())[::-1])
        raise UnreadableFile(
            files[-1],
            f"column {error.column!r} has different types in the files of one day: {found} ({error.reason})",
            "expected one type in all files of a day",
            [error.column],
        ) from error
