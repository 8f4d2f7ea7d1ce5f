"""What the text of a CSV column becomes: a type that keeps every value as it was written, or else text.

docs/how-to/add-a-pipeline.md has the whole list.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.conversions import times_of_day
from jobs.data.readers.csv_numbers import Notation, floats, integers, numbers_as
from jobs.data.readers.text_columns import all_true, cast_or_none, is_one_of, printed_back, replaced, without

# What people write for "unknown". In a column of text these may be values: NA is Namibia, Null a name.
SIGNS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
SPELLINGS = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))
SAMPLE = 500  # values that rule out most types before a whole column is tried
# `2026-11-01 10:00:00 UTC` and `2026-11-01 10:00:00 +0100` are how some databases and languages print a time.
ZONE_AFTER_A_BLANK = ((r" UTC$", "Z"), (r" ([+-][0-9]{2}:?(?:[0-9]{2})?)$", r"\1"))
SHORTEST_TIME = len("2026-11-01T10:00")
FIRST_DAY = (date.min - date(1970, 1, 1)).days
FIRST_MOMENT, LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_Reads = Callable[[pa.ChunkedArray], pa.ChunkedArray | None]


class NotOfType(Exception):
    """A value is not of the type that its column has."""

    def __init__(self, row: int, value: str) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value


def inferred(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """A column as the type that all its values are written in; text where there is none, null where all are missing.

    Args:
        text: the fields of a column; null where a field is empty and has no quotes.
        notation: how the file writes numbers and missing values.
    """
    text = without(text, notation.null_values or ())
    present = text.drop_null()
    if not len(present):
        return pa.chunked_array([pa.nulls(len(text))])
    sample, whole = _values(present.slice(0, SAMPLE), notation), None
    numbers: list[_Reads] = [lambda values: integers(values, notation), lambda values: floats(values, notation)]
    for read in (_booleans, *numbers, _dates, _times):
        if sample.null_count < len(sample) and read(sample) is None:
            continue
        whole = _values(text, notation) if whole is None else whole
        if whole.null_count < len(whole) and (typed := read(whole)) is not None:
            return typed
    return text


def parsed(text: pa.ChunkedArray, kind: pa.DataType, notation: Notation) -> pa.ChunkedArray:
    """A column as a type that is known, strictly.

    Args:
        text: the fields of a column; null where a field is empty and has no quotes.
        kind: the type, one that `parses` says yes to.
        notation: how the file writes numbers and missing values.

    Raises:
        NotOfType: a value is not written as one of the type, or would change.
    """
    text = without(text, notation.null_values or ())
    if _is_text(kind):
        return text.cast(kind)
    values = _values(text, notation)
    typed = _as(values, kind, notation)
    if typed is not None:
        return typed
    good, bad = 0, len(values)  # the first `good` values are of the type, the first `bad` are not
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if _as(values.slice(0, middle), kind, notation) is None else (middle, bad)
    raise NotOfType(good, text[good].as_py())


def parses(kind: pa.DataType) -> bool:
    """Whether the fields of a CSV file can be read as a type."""
    readable = (
        _is_text,
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_date,
        pa.types.is_time,
        pa.types.is_timestamp,
    )
    return any(is_kind(kind) for is_kind in readable)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _values(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray:
    """What may be a number or a time: without blanks around it, and null where a sign says that there is none."""
    return without(pc.utf8_trim_whitespace(text), SIGNS if notation.null_values is None else ("",))


def _as(values: pa.ChunkedArray, kind: pa.DataType, notation: Notation) -> pa.ChunkedArray | None:
    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), kind)])
    if pa.types.is_boolean(kind):
        return _any_booleans(values)
    if pa.types.is_date(kind):
        days = _dates(values)
        return None if days is None else days.cast(kind)
    if pa.types.is_time(kind):
        times = times_of_day(values)
        return None if times is None else cast_or_none(times, kind)
    if pa.types.is_timestamp(kind):
        return _times_as(values, kind)
    return numbers_as(values, kind, notation)


def _booleans(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    for spelling in SPELLINGS:
        if all_true(is_one_of(text, spelling)):
            return pc.equal(text, spelling[0])
    return None


def _any_booleans(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """As `_booleans`, in spellings that may differ and as 1 and 0, since the column is known to be of booleans."""
    spelled = [*(word for spelling in SPELLINGS for word in spelling), "1", "0"]
    return is_one_of(pc.utf8_lower(text), ["true", "1"]) if all_true(is_one_of(text, spelled)) else None


def _dates(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    days = printed_back(text, pa.date32())
    return days if days is not None and pc.min(days.cast(pa.int32())).as_py() >= FIRST_DAY else None


def _times(text: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if pc.min(pc.binary_length(text)).as_py() < SHORTEST_TIME:
        return None
    for zone in (None, "UTC"):
        for unit in ("us", "ns"):
            if (times := _cast_times(text, pa.timestamp(unit, zone))) is not None:
                return times
    return None


def _times_as(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """Times of a known type; where it has a zone and the values name none, they are in it. Nanoseconds are cut off."""
    for unit in ("us", "ns"):
        times = _cast_times(text, pa.timestamp(unit, "UTC" if kind.tz else None))
        if times is None and kind.tz and (local := _cast_times(text, pa.timestamp(unit))) is not None:
            try:
                times = pc.assume_timezone(local, kind.tz)
            except pa.ArrowInvalid:  # an hour that summer time skips or doubles
                return None
        if times is not None:
            if unit == "ns" and kind.unit != "ns":
                times = times.cast(pa.timestamp("us", times.type.tz), safe=False)
            return cast_or_none(times, kind)
    return None


def _cast_times(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    times = cast_or_none(text, kind)
    if times is None and kind.tz:
        for pattern, replacement in ZONE_AFTER_A_BLANK:
            text = replaced(text, pattern, replacement)
        times = cast_or_none(text, kind)
    if times is None or kind.unit == "ns":
        return times
    first, last = (
        pa.scalar(moment if kind.tz else moment.replace(tzinfo=None), kind) for moment in (FIRST_MOMENT, LAST_MOMENT)
    )
    return times if all_true(pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))) else None
