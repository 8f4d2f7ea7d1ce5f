"""The types that columns have in the lake: whatever Arrow delivers becomes one of these with its values, or is refused.

The lake's types are those that Parquet, Spark, pandas and Great Expectations all hold without a change of value:
booleans, signed integers, floats, decimals of up to 38 digits, text, bytes, dates, times of day, timestamps and
durations in microseconds, and lists, structs and maps of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as is_a

from jobs.data.reasons import RowsRefused

TIMESTAMP = pa.timestamp("us", tz="UTC")
DIGITS = 38
"""Of a decimal, in Arrow's 128 bits and in Spark."""
DECLARED: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "decimal": pa.decimal128(DIGITS, 18),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": TIMESTAMP,
}
"""Arrow types by the word that a pipeline file has for them, see `tidewheel.spec.sections.ColumnType`."""

_SIGNED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}
_WORDS = {
    "text": "text",
    "integer": "integers",
    "float": "numbers",
    "decimal": "decimals",
    "boolean": "booleans",
    "date": "dates",
    "time": "times of day",
    "timestamp": "timestamps",
    "null": "nothing",
}


def as_landed(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    """A column in a type of the lake, every value as it was.

    Args:
        column: as the source delivered it.
        name: of the column, for the message.
        source: file, query or function it came from, for the message.

    Raises:
        DataRefused: no type of the lake holds these values.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:  # other writers leave bytes that are no UTF-8, or times of day beyond 24 hours
        raise RowsRefused(
            source,
            f"column {name!r} holds {column.type} with a value that the type does not have ({error})",
            "correct it where it is written, or convert the column in the query or the reader",
            [name],
        ) from error
    column = _decoded(column)
    candidates = lake_types(column.type)
    if not candidates:
        raise RowsRefused(
            source,
            f"column {name!r} holds {column.type}, which has no type in the lake",
            "leave the column out, or convert it in the query or the reader, for example to text",
            [name],
        )
    reason = ""
    for kind in candidates:
        try:
            landed = column if column.type == kind else column.cast(kind)
        except pa.ArrowException as error:
            reason = str(error)
            continue
        if not in_calendar(landed):
            raise RowsRefused(
                source,
                f"column {name!r} holds {column.type} with a value outside the years 1 to 9999, which Python and Spark "
                "do not have",
                "correct it, or make it a missing value in the query or the reader",
                [name],
            )
        return landed
    advice = "convert the column in the query or the reader"
    if is_a.is_timestamp(column.type) and "lose data" in reason:
        advice = f"round the times in the query or the reader, or declare `types: {{{name}: timestamp}}` to cut them"
    raise RowsRefused(
        source, f"column {name!r} holds {column.type} that {candidates[-1]} cannot: {reason}", advice, [name]
    )


def in_calendar(column: pa.ChunkedArray) -> bool:
    """Whether each date and timestamp of the lake, also in lists, structs and maps, is in the years 1 to 9999.

    Python, Spark and SQL know no other years; Arrow does.
    """
    return all(map(_in_calendar, column.chunks))


def _in_calendar(array: pa.Array) -> bool:
    kind = array.type
    if is_a.is_struct(kind):
        return all(map(_in_calendar, array.flatten()))
    if is_a.is_list(kind):
        return _in_calendar(array.flatten())
    if is_a.is_map(kind):
        return _in_calendar(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
    if is_a.is_date32(kind):
        bounds, array = _DAYS, array.cast(pa.int32())
    elif is_a.is_timestamp(kind) and kind.unit == "us":
        bounds, array = _MOMENTS, array.cast(pa.int64())
    else:
        return True
    return bool(pc.all(pc.and_(pc.greater_equal(array, bounds[0]), pc.less(array, bounds[1])), min_count=0).as_py())


# The first in the calendar, and the first after it.
_DAYS: tuple[int, ...] = ((date.min - date(1970, 1, 1)).days, (date.max - date(1970, 1, 1)).days + 1)
_MOMENTS: tuple[int, ...] = tuple(day * 86_400_000_000 for day in _DAYS)  # microseconds


def lake_types(kind: pa.DataType) -> list[pa.DataType]:
    """Types of the lake that may hold the values of an Arrow type, the best first; empty where there is none."""
    if kind == pa.uint64():  # an ordinary count fits an integer, a hash does not
        return [pa.int64(), pa.decimal128(20, 0)]
    one = _lake_type(kind)
    return [] if one is None else [one]


def _lake_type(kind: pa.DataType) -> pa.DataType | None:
    if is_a.is_null(kind) or is_a.is_boolean(kind) or is_a.is_signed_integer(kind):
        return kind
    if is_a.is_unsigned_integer(kind):
        return _SIGNED.get(kind, pa.int64())
    if is_a.is_floating(kind):
        return pa.float32() if is_a.is_float16(kind) else kind
    if is_a.is_decimal(kind):
        return _decimal(kind)
    if _is_text(kind):
        return pa.string()
    if is_a.is_binary(kind) or is_a.is_large_binary(kind) or is_a.is_fixed_size_binary(kind) or kind == _BINARY_VIEW:
        return pa.binary()
    if is_a.is_date(kind):
        return pa.date32()
    if is_a.is_time(kind):
        return pa.time64("us")
    if is_a.is_timestamp(kind):
        return pa.timestamp("us", tz="UTC" if kind.tz else None)
    if is_a.is_duration(kind):
        return pa.duration("us")
    if is_a.is_dictionary(kind):
        return _lake_type(kind.value_type)
    return _nested(kind)


_BINARY_VIEW = pa.binary_view()


def _is_text(kind: pa.DataType) -> bool:
    return bool(is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind))


def _decimal(kind: pa.DataType) -> pa.DataType:
    """At most 38 digits, none of them beyond the point's own side: neither Parquet nor Spark knows 12e2."""
    scale = min(max(kind.scale, 0), DIGITS)
    return pa.decimal128(min(max(kind.precision - min(kind.scale, 0), scale, 1), DIGITS), scale)


def _nested(kind: pa.DataType) -> pa.DataType | None:
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        inner = _lake_type(kind.value_type)
        return inner and pa.list_(inner)
    if is_a.is_map(kind):
        key, item = _lake_type(kind.key_type), _lake_type(kind.item_type)
        return pa.map_(key, item) if key and item else None
    if is_a.is_struct(kind):
        fields = [(field.name, _lake_type(field.type)) for field in kind]
        names = {name.casefold() for name, _ in fields}
        if not fields or len(names) < len(fields) or "" in names or any(inner is None for _, inner in fields):
            return None
        return pa.struct(fields)
    return None


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without what is a way to store it: run ends, a dictionary, an extension."""
    if is_a.is_run_end_encoded(column.type):
        # Arrow decodes run ends of plain types only.
        taken = [_taken(chunk.values, _places(chunk)) for chunk in column.chunks]
        return _decoded(pa.chunked_array(taken, column.type.value_type))
    if is_a.is_dictionary(column.type):
        taken = [_taken(chunk.dictionary, chunk.indices) for chunk in column.chunks]
        return _decoded(pa.chunked_array(taken, column.type.value_type))
    return _without_extension(column) if isinstance(column.type, pa.BaseExtensionType) else column


def _places(runs: pa.RunEndEncodedArray) -> pa.Array:
    """The place of each row's value among the values of its runs."""
    numbered = pa.RunEndEncodedArray.from_arrays(runs.run_ends, pa.array(range(len(runs.values)), pa.int64()))
    return pc.run_end_decode(numbered.slice(runs.offset, len(runs)))


def _taken(values: pa.Array, places: pa.Array) -> pa.Array:
    """Values by their places. Arrow takes from no view."""
    kind = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}.get(values.type)
    return values.take(places) if kind is None else values.cast(kind).take(places).cast(values.type)


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """UUIDs as people write them; any other extension as what it is stored in."""
    if column.type.extension_name == "arrow.uuid":
        chunks = [chunk.storage.to_pylist() for chunk in column.chunks]
        texts = [[None if raw is None else str(UUID(bytes=raw)) for raw in chunk] for chunk in chunks]
        return pa.chunked_array(texts, pa.string())
    storage = column.type.storage_type
    plain = pa.chunked_array([chunk.storage for chunk in column.chunks], storage)
    return plain.cast(pa.bool_()) if column.type.extension_name == "arrow.bool8" else plain


def family(kind: pa.DataType) -> str:
    """What a type of the lake is, in a word; the name of the type itself where there is no plain word."""
    tests = {
        "null": is_a.is_null,
        "boolean": is_a.is_boolean,
        "integer": is_a.is_integer,
        "float": is_a.is_floating,
        "decimal": is_a.is_decimal,
        "text": _is_text,
        "date": is_a.is_date,
        "time": is_a.is_time,
        "timestamp": is_a.is_timestamp,
        "list": is_a.is_list,
    }
    return next((word for word, test in tests.items() if test(kind)), str(kind))


def in_words(kind: pa.DataType) -> str:
    """A type for a person: the plain word, and Arrow's name for it."""
    words = _WORDS.get(family(kind))
    return f"{words} ({kind})" if words else str(kind)
