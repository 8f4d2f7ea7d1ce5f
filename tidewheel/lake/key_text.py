"""A key as text, as a person writes it, and as a value of its column."""

from __future__ import annotations

import pyarrow as pa


def key_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values, also where it is stored as a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def key_value(text: str, kind: pa.DataType) -> pa.Scalar | None:
    """The value of a column that a text means: of a column of numbers `7` is the number. None: it means none.

    Args:
        text: as a person writes it.
        kind: type of the column.
    """
    try:
        return pa.scalar(text).cast(key_type(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # no such number, or nothing that a text can say
        return None
