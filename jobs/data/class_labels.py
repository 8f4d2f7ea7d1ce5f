"""Labels of several classes as a source has them: of the right type, and each of them one that is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.column_types import in_words
from jobs.data.reasons import RowsRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMED = 3


def as_class_type(labels: pa.ChunkedArray, name: str, classes: Sequence[str | int], source: str) -> pa.ChunkedArray:
    """Labels as text or as integers, as the classes are.

    Args:
        labels: a column in a type of the lake.
        name: of the column.
        classes: what a label may be.
        source: file, query or function the labels came from, for the message.

    Raises:
        RowsRefused: they are of another type.
    """
    kind = pa.string() if isinstance(classes[0], str) else pa.int64()
    if labels.type == kind or pa.types.is_null(labels.type):
        return labels.cast(kind)
    whole = pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type) or pa.types.is_decimal(labels.type)
    if kind == pa.int64() and whole:  # pandas has no integers beside missing values
        try:
            return pc.if_else(pc.is_null(labels, nan_is_null=True), None, labels).cast(kind)
        except pa.ArrowInvalid:
            fractions = labels.filter(pc.not_equal(labels, pc.floor(labels.cast(pa.float64()))))
            raise RowsRefused(
                source,
                f"column {name!r} holds {in_words(labels.type)}, for example {fractions[0]}",
                "rule: labels.classes are integers, and so is every label",
                [name],
            ) from None
    expected = "text" if kind == pa.string() else "integer"
    raise RowsRefused(
        source,
        f"column {name!r} holds {in_words(labels.type)}",
        f"rule: labels.classes are {expected}s, and so is every label; declare `labels.types: {{{name}: {expected}}}`, "
        "write the classes as the source has them, or convert the labels in the query or the reader",
        [name],
    )


def refuse_unknown_classes(labels: pa.ChunkedArray, name: str, classes: Sequence[str | int], source: str) -> None:
    """See that every label is one of the classes.

    Raises:
        RowsRefused: one is none of them.
    """
    unknown = labels.filter(pc.invert(pc.is_in(labels, value_set=pa.array(classes, labels.type))))
    if len(unknown):
        some = ", ".join(repr(value) for value in pc.unique(unknown).slice(0, NAMED).to_pylist())
        raise RowsRefused(
            source,
            f"column {name!r}: {len(unknown)} of {len(labels)} labels are no declared class (for example {some})",
            f"rule: a label is one of labels.classes ({', '.join(map(str, classes))}); add the class there, or correct "
            "the source",
            [name],
        )
