"""Bringing a column to the type it has on other days: without a change of value and without doubt, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from decimal import ROUND_DOWN, Decimal

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.column_types import DIGITS, family, in_calendar

# From what a day holds to what the column holds on other days. Each is checked value by value, there and back.
_BRINGS = frozenset(
    {
        ("integer", "integer"),
        ("integer", "float"),
        ("integer", "decimal"),
        ("integer", "boolean"),  # 1 and 0
        ("float", "float"),
        ("float", "integer"),  # what pandas makes of integers of which one is missing
        ("decimal", "decimal"),
        ("decimal", "integer"),
        ("decimal", "float"),
        ("date", "timestamp"),
        ("timestamp", "timestamp"),
        ("timestamp", "date"),
    }
)
_DIGITS_OF_INTEGER = {8: 3, 16: 5, 32: 10, 64: 19}
# As people write a value: a declared type reads these, nothing else ("yes" is no boolean).
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def brought(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """A column in the type it has on other days, or None where a value would change or be in doubt.

    Times without a zone are UTC, as an event time is; a float that is not a number is missing where the type has no
    such value.
    """
    if column.type == kind:
        return column
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    pair = (family(column.type), family(kind))
    if pair == ("list", "list") and wider(column.type, kind) == kind:
        return _cast(column, kind)
    if pair not in _BRINGS:
        return None
    if pair == ("float", "integer"):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    there = _cast(column, kind)
    back = None if there is None else _cast(there, column.type)
    return there if back is not None and _same(column, back) else None


def read_as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """A column in the type that the pipeline file declares for it, or None where it holds anything else.

    More than `brought`: text is read as what is declared, where each value is written so, and an empty text is a
    missing value; booleans and integers are written as text; times are cut to microseconds.
    """
    actual, declared = family(column.type), family(kind)
    if actual == declared == "timestamp":
        there = _cast(_cut(column), kind)
    elif actual in ("boolean", "integer", "date", "time") and declared == "text":
        there = _texts(column)
    else:
        there = brought(column, kind)
    if there is None and actual == "text":
        there = _parsed(column, kind)
    return there if there is not None and in_calendar(there) else None


def times_of_day(written: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text as times of day, None where a value is written otherwise, such as with a zone or in nanoseconds."""
    is_time = pc.match_substring_regex(written, r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$")
    return _each(written, time.fromisoformat, pa.time64("us")) if pc.all(is_time, min_count=0).as_py() else None


def floats(written: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Text as numbers; None where a value is none, is beyond all floats, or a float would change its whole part."""
    there = _cast(written, pa.float64())
    if there is None:
        return None
    long = written.filter(pc.match_substring_regex(written, r"^[+-]?[0-9]{16,}(\.[0-9]*)?$")).to_pylist()
    endless = written.filter(pc.and_(pc.is_inf(there), pc.match_substring_regex(written, r"[0-9]")))
    return None if len(endless) or any(map(_changes, long)) else there


def _changes(digits: str) -> bool:
    whole = Decimal(digits).to_integral_value(ROUND_DOWN)
    return whole != Decimal(float(digits)).to_integral_value(ROUND_DOWN)


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The narrowest type that holds every value of two types, or None where no type does.

    Of integers and floats it is float64, which holds integers up to 2**53: before widening, look at the values.
    """
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    pair = {family(one), family(other)}
    if pair == {"integer"}:
        return max(one, other, key=lambda kind: kind.bit_width)
    if pair in ({"integer", "float"}, {"float"}):
        return pa.float64()
    if pair in ({"decimal"}, {"integer", "decimal"}):
        return _wider_decimal(one, other)
    if pair == {"list"}:
        inner = wider(one.value_type, other.value_type)
        return inner and pa.list_(inner)
    return None


def together(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type in which days of two types are read side by side, or None.

    More than `wider`: a column whose type was declared later is read with its earlier days where those can be written
    in one way only.
    """
    if (found := wider(one, other)) is not None:
        return found
    pair = {family(one): one, family(other): other}
    if pair.keys() in ({"integer", "text"}, {"boolean", "text"}, {"date", "text"}):
        return pa.string()
    if pair.keys() == {"boolean", "integer"}:
        return pair["integer"]
    if pair.keys() == {"date", "timestamp"}:
        return pair["timestamp"]
    if pair.keys() == {"timestamp"}:
        return one if one.tz else other
    return None


def first_misfit(column: pa.ChunkedArray, fits: Callable[[pa.ChunkedArray], bool]) -> str:
    """The first value that does not fit, as text for a message; the first value where each fits by itself."""
    values = column.drop_null().combine_chunks()
    values = values if pa.types.is_nested(values.type) else pc.unique(values)
    for place in range(min(len(values), _LOOKED_AT)):
        one = pa.chunked_array([values.slice(place, 1)])
        if not fits(one):
            return _shown(one[0])
    return _shown(values[0]) if len(values) else "none"


def _shown(value: pa.Scalar) -> str:
    try:
        return repr(value.as_py())
    except (OverflowError, ValueError):  # a year that Python does not have
        return f"{value.value} in {value.type}"


_LOOKED_AT = 10_000


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return column.cast(kind)
    except pa.ArrowException:
        pass
    try:  # Arrow asks for the digits of the type, not for those of the values
        return column.cast(pa.decimal128(DIGITS, kind.scale)).cast(kind) if pa.types.is_decimal(kind) else None
    except pa.ArrowException:
        return None


def _same(before: pa.ChunkedArray, after: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(before.type):
        before, after = (pc.if_else(pc.is_nan(one), pa.scalar(None, one.type), one) for one in (before, after))
    return bool(before.null_count == after.null_count and pc.all(pc.equal(before, after), min_count=0).as_py())


def _wider_decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    shapes = [_shape(kind) for kind in (one, other)]
    before, after = (max(shape[side] for shape in shapes) for side in (0, 1))
    return pa.decimal128(before + after, after) if before + after <= DIGITS else None


def _shape(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    if pa.types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return _DIGITS_OF_INTEGER[kind.bit_width], 0


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_time(column.type):
        return pa.chunked_array([pa.array([_iso(value) for value in column.to_pylist()], pa.string())])
    return column.cast(pa.string())


def _iso(value: time | None) -> str | None:
    return None if value is None else value.isoformat()


def _parsed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    written = pc.utf8_trim_whitespace(column)
    written = pc.if_else(pc.equal(written, ""), pa.scalar(None, pa.string()), written)
    match family(kind):
        case "text":
            return column
        case "boolean":
            return _each(written, lambda text: _BOOLEANS[text.casefold()], kind)
        case "time":
            return times_of_day(written)
        case "timestamp":
            return _times(written, kind)
        case "integer" if pc.any(pc.match_substring_regex(written, r"[^0-9+-]")).as_py():  # Arrow reads 0x1F
            return None
        case "integer":
            return _cast(pc.replace_substring_regex(written, r"^\+([0-9])", r"\1"), kind)
        case "float":
            there = floats(written)
            return None if there is None else _cast(there, kind)
        case _:
            return _cast(written, kind)


def _times(written: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Times as ISO 8601, all with a zone or all without, which then is UTC."""
    for unit in ("us", "ns"):
        for zone in ("UTC", None):
            if (there := _cast(written, pa.timestamp(unit, zone))) is not None:
                return _cast(_cut(there), kind)
    return None


def _cut(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times without their nanoseconds."""
    return times.cast(pa.timestamp("us", times.type.tz), safe=False) if times.type.unit == "ns" else times


def _each(written: pa.ChunkedArray, read: Callable[[str], object], kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        values = [None if text is None else read(text) for text in written.to_pylist()]
        return pa.chunked_array([pa.array(values, kind)])
    except (KeyError, ValueError):
        return None
