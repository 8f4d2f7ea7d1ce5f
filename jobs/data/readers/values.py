"""Python's values as an Arrow column, each of them as it is; what Arrow would change or guess at is refused."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

MIXED_EXAMPLES = 3
SHOWN = 60  # characters of a value in a message


class ValueProblem(Exception):
    """Why values make no column.

    Args:
        found: `holds …`.
        expected: `expected …`.
    """

    def __init__(self, value: str, expected: str) -> None:
        super().__init__(f"{value}; {expected}")
        self.found, self.expected = value, expected


def array_of(values: Sequence[Any]) -> pa.Array:
    """Values of one type as an Arrow array; None is a missing value, and a column without any other is of type null.

    Whole numbers beside floats become floats where that changes none of them; times with a zone become UTC; UUIDs are
    text, and lists stay lists. An empty text is a text.

    Raises:
        ValueProblem: they are of different types, or of one that no column can hold.
    """
    present = [value for value in values if value is not None]
    if not present:
        return pa.nulls(len(values))
    kinds = {_kind(value): value for value in reversed(present)}
    if len(kinds) == 2 and set(kinds) <= {int, float, Decimal}:
        return _numbers(values, set(kinds))
    if len(kinds) > 1:
        found = ", ".join(
            f"{_shown(value)} ({_name(kind)})" for kind, value in reversed(list(kinds.items())[-MIXED_EXAMPLES:])
        )
        raise ValueProblem(f"holds values of more than one type, for example {found}", "expected one type")
    (kind,) = kinds
    return _array(values, kind)


def _kind(value: object) -> type:
    """The type that decides what a value becomes: that of Python for those of NumPy, and for types that extend it."""
    if isinstance(value, np.bool_):
        return bool
    if isinstance(value, np.integer) and not isinstance(value, np.timedelta64):  # which is one, to NumPy
        return int
    if isinstance(value, np.floating) and not isinstance(value, np.longdouble):  # no column holds 80 bits
        return float
    for kind in (bool, int, float, Decimal, str, datetime, date, time, timedelta, uuid.UUID):
        if isinstance(value, kind):
            return kind
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes
    if isinstance(value, list | tuple | np.ndarray):
        return list
    return type(value)


def _array(values: Sequence[Any], kind: type) -> pa.Array:
    present = [value for value in values if value is not None]
    try:
        if kind is datetime:
            return _timestamps(values)
        if kind is time and any(value.tzinfo is not None for value in present):
            raise ValueProblem("holds times of day with a zone", "expected them without, or timestamps")
        if kind is Decimal and (other := next((v for v in present if not v.is_finite()), None)) is not None:
            raise ValueProblem(
                f"holds {other!r}, which no decimal column can hold", "expected a float or a missing value"
            )
        if kind is uuid.UUID:
            return pa.array([value if value is None else str(value) for value in values], pa.string())
        if kind is bytes:
            return pa.array([value if value is None else bytes(value) for value in values], pa.binary())
        if kind is list:
            return _lists(values)
        if kind is float:
            return pa.array([value if value is None else float(value) for value in values], pa.float64())
        if kind is int:
            return _integers([value if value is None else int(value) for value in values])
        if kind in ARROW:
            return pa.array(values, pa.duration(_unit(present)) if kind is timedelta else ARROW[kind])
    except (pa.ArrowException, ValueError, OverflowError, UnicodeError) as error:
        raise ValueProblem(
            f"holds {_name(kind)} values that no column can hold: {error}", "expected values of one simple type"
        ) from error
    raise ValueProblem(
        f"holds values of type {_name(kind)}, for example {_shown(present[0])}",
        "expected text, numbers, booleans, dates, timestamps or lists of them",
    )


# None: precision and scale of decimals, and the unit of durations, are found.
ARROW = {
    bool: pa.bool_(),
    Decimal: None,
    str: pa.string(),
    date: pa.date32(),
    time: pa.time64("us"),
    timedelta: None,
}


def _integers(values: Sequence[int | None]) -> pa.Array:
    try:
        return pa.array(values, pa.int64())
    except (pa.ArrowException, OverflowError):
        try:
            return pa.array(values, pa.uint64())
        except (pa.ArrowException, OverflowError):
            largest = max((value for value in values if value is not None), key=abs)
            raise ValueProblem(
                f"holds {largest}, which is beyond 64 bits", "expected text or a smaller number"
            ) from None


def _numbers(values: Sequence[Any], kinds: set[type]) -> pa.Array:
    """Numbers of two types, if all of them are in one: floats, or decimals where none is a float."""
    if float not in kinds:
        return _array([value if value is None else Decimal(value) for value in values], Decimal)
    for value in values:
        if value is not None and not isinstance(value, float | np.floating) and float(value) != value:
            raise ValueProblem(
                f"holds {value} ({_name(_kind(value))}) beside floats, which change it", "expected one type"
            )
    return _array(values, float)


def _timestamps(values: Sequence[Any]) -> pa.Array:
    present = [value for value in values if isinstance(value, datetime)]
    zoned = [value.tzinfo is not None for value in present]
    if any(zoned) and not all(zoned):
        raise ValueProblem("holds timestamps with a zone and others without", "expected either")
    unit = _unit(present)
    if not any(zoned):
        return pa.array(values, pa.timestamp(unit))
    moments = [value.astimezone(UTC) if isinstance(value, datetime) else None for value in values]
    return pa.array(moments, pa.timestamp(unit, "UTC"))


def _unit(values: Sequence[Any]) -> str:
    """Microseconds, unless a value of pandas has more: Arrow would cut it."""
    return "ns" if any(getattr(v, "nanosecond", 0) or getattr(v, "nanoseconds", 0) for v in values) else "us"


def _lists(values: Sequence[Any]) -> pa.Array:
    lists = [None if value is None else list(value) for value in values]
    items = array_of([item for one in lists if one is not None for item in one])
    ends = np.cumsum([0, *(0 if one is None else len(one) for one in lists)])
    offsets = pa.array(ends, pa.int32(), mask=np.array([*(one is None for one in lists), False]))
    return pa.ListArray.from_arrays(offsets, items)


def _name(kind: type) -> str:
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
