"""The Parquet files of one day as one table, with the types that they have."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.data.readers.source_day import SourceFile, UnreadableFile, name_problem, same_columns


def parquet_table(files: Sequence[SourceFile]) -> pa.Table:
    """The Parquet files of a day as one table.

    Raises:
        UnreadableFile: a file is no Parquet file or a part of one, or differs from the first in columns or types.
    """
    return _together(files, same_columns(files, [_parquet(file) for file in files]))


def _parquet(file: SourceFile) -> pa.Table:
    try:
        # A dataset, as `read_table` makes of it, fails on names that occur twice, in words of its own.
        with pq.ParquetFile(pa.BufferReader(file.content), pre_buffer=False) as opened:
            if problem := name_problem(opened.schema_arrow.names, "write the file with other names"):
                raise UnreadableFile(file, *problem)
            return opened.read(use_threads=False)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise UnreadableFile(
            file, f"not a complete parquet file ({len(file.content)} bytes): {error}", "land it again"
        ) from error


def _together(files: Sequence[SourceFile], tables: Sequence[pa.Table]) -> pa.Table:
    """One table of several. Types that differ meet in one that holds the values of both unchanged."""
    if len(tables) == 1:
        return tables[0]
    columns = {}
    for name in tables[0].column_names:
        parts = [table[name] for table in tables]
        common, reason = _common_type([part.type for part in parts]), "no type holds the values of all"
        try:
            if common is not None:
                columns[name] = pa.chunked_array([c for part in parts for c in _cast(part, common).chunks], common)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            common, reason = None, str(error)
        if common is None:
            kinds = {str(part.type): file for part, file in zip(parts[::-1], files[::-1], strict=True)}
            found = ", ".join(f"{kind} in {file.name}" for kind, file in list(kinds.items())[::-1])
            raise UnreadableFile(
                files[-1],
                f"column {name!r} has different types in the files of one day: {found} ({reason})",
                "expected one type in all files of a day",
                [name],
            )
    return pa.table(columns)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    # Not each type has a cast from null.
    return pa.chunked_array([pa.nulls(len(column), kind)]) if pa.types.is_null(column.type) else column.cast(kind)


def _common_type(kinds: Sequence[pa.DataType]) -> pa.DataType | None:
    """The type that values of several can be cast to; None where they are not alike, as numbers and text."""
    kinds = [kind for kind in dict.fromkeys(kinds) if not pa.types.is_null(kind)] or list(kinds[:1])
    if len(kinds) == 1:
        return kinds[0]
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        if any(pa.types.is_floating(kind) for kind in kinds):
            return pa.float64()
        unsigned = any(pa.types.is_uint64(kind) for kind in kinds)
        return pa.uint64() if unsigned and all(pa.types.is_unsigned_integer(kind) for kind in kinds) else pa.int64()
    families = (
        (pa.types.is_decimal,),
        (pa.types.is_date,),
        (pa.types.is_time,),
        (pa.types.is_timestamp,),
        (pa.types.is_duration,),
        (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, _is_text_dictionary),
        (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary),
    )
    if not any(all(any(of(kind) for of in family) for kind in kinds) for family in families):
        return None
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    try:
        unified = pa.unify_schemas([pa.schema([("x", kind)]) for kind in plain], promote_options="permissive")
    except pa.ArrowException:
        return None
    return unified.field(0).type


def _is_text_dictionary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))
