"""Tables of one day as one, where their columns differ in type."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from jobs.data.spill import each_column, spilled


class TypesDiffer(Exception):
    """No type holds the values that the tables have in a column; `kinds` are its types in them."""

    def __init__(self, column: str, kinds: Sequence[pa.DataType], reason: str) -> None:
        super().__init__(column, kinds, reason)
        self.column, self.kinds, self.reason = column, kinds, reason


def of_one_type(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of several. Types that differ meet in one that holds the values of both unchanged.

    Args:
        tables: with the same columns in the same order.

    Raises:
        TypesDiffer: there is none.
    """
    first, *others = tables
    if all(other.schema.equals(first.schema) for other in others):
        return pa.concat_tables(tables)
    return each_column(first, lambda name, _: _one_column(name, [table[name] for table in tables]))


def _one_column(name: str, parts: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    kinds = [part.type for part in parts]
    common = _common_type(kinds)
    if common is None:
        raise TypesDiffer(name, kinds, "no type holds the values of all")
    try:
        return pa.chunked_array([chunk for part in parts for chunk in _cast(part, common).chunks], common)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TypesDiffer(name, kinds, str(error)) from error


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    # Not each type has a cast from null.
    is_null = pa.types.is_null(column.type)
    return spilled(pa.chunked_array([pa.nulls(len(column), kind)]) if is_null else column.cast(kind))


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
