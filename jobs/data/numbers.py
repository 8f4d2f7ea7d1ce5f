"""Numeric features: which values are numbers, and what is said of one that is not."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.conversions import first_misfit, floats


class NotANumber(ValueError):
    """A numeric feature holds a value that is no finite number; the message names column, value and what to do."""


def as_numbers(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """A numeric feature as float64, every value as it was; NaN and null are missing values.

    Args:
        column: floats, integers or text.
        name: of the feature, for the message.

    Raises:
        NotANumber: a value is no number, is infinite, or is an integer that float64 does not hold.
    """
    if (numbers := _finite(column)) is not None:
        return numbers
    example = first_misfit(column, lambda values: _finite(values) is not None)
    if pa.types.is_string(column.type):
        expected = (
            "a number of 64 bits, or null where there is none; convert it in the transform, or list it as categorical"
        )
    elif pa.types.is_floating(column.type):
        expected = "finite; let the transform put null, or the limit you mean, in its place"
    else:
        expected = f"within ±{2**53}, beyond which a 64-bit float has gaps; scale it, or list it under categorical"
    raise NotANumber(f"features.numeric: column {name!r} holds {example}; a numeric feature is {expected}")


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    if pa.types.is_string(column.type):
        numbers = floats(pc.utf8_trim_whitespace(column))
    else:
        try:
            numbers = column.cast(pa.float64())
        except pa.ArrowException:
            return None
    return None if numbers is None or pc.any(pc.is_inf(numbers)).as_py() else numbers
