"""What the readings of a column of text have in common. A missing value agrees with everything."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc


def cast_or_none(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """A column as another type; None where a value has none in it."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return None


def printed_back(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    """A column as a type that prints each value as it was written. Arrow also reads 007 and 0x1F as numbers."""
    typed = cast_or_none(text, kind)
    return typed if typed is not None and typed.cast(pa.string()).equals(text) else None


def replaced(text: pa.ChunkedArray, pattern: str, replacement: str) -> pa.ChunkedArray:
    """A column with what matches a pattern (RE2) replaced."""
    return pc.replace_substring_regex(text, pattern, replacement)


def is_one_of(text: pa.ChunkedArray, words: Sequence[str]) -> pa.ChunkedArray:
    """Which values are among the words; null where a value is missing, where `is_in` says no."""
    return pc.if_else(pc.is_null(text), None, pc.is_in(text, pa.array(words, pa.string())))


def without(text: pa.ChunkedArray, words: Sequence[str]) -> pa.ChunkedArray:
    """A column with the words as missing values."""
    matches = pc.is_in(text, pa.array(words, pa.string()))
    return pc.if_else(matches, pa.scalar(None, pa.string()), text) if any_true(matches) else text


def all_true(booleans: pa.ChunkedArray) -> bool:
    """Whether no value is false."""
    return bool(pc.all(booleans, min_count=0).as_py())


def any_true(booleans: pa.ChunkedArray) -> bool:
    """Whether some value is true."""
    return bool(pc.any(booleans, min_count=0).as_py())
