"""Entity keys as text, as the request log has them, so that both sides of a join write one key in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.conversions import read_as

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATOR = "\x1f"


def with_text_keys(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The table with its key columns as text."""
    for name in key:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
    return table


def as_written(said: pa.ChunkedArray, name: str, known: pa.Schema) -> pa.ChunkedArray:
    """Keys that callers wrote, as `with_text_keys` writes them: 1.50 and 1.5 are one amount, and a date has a time.

    Args:
        said: text, without nulls.
        name: of the key column.
        known: schema of the table that is joined with, before its keys were turned into text.
    """
    place = known.get_field_index(name)
    if place < 0 or pa.types.is_string(kind := known.field(place).type):
        return said
    if (all_of_them := read_as(said, kind)) is not None:
        return pc.coalesce(all_of_them.cast(pa.string()), said)
    texts = said.to_pylist()
    written = {text: read_as(pa.chunked_array([[text]]), kind) for text in set(texts)}
    plain = {text: value and value.cast(pa.string())[0].as_py() for text, value in written.items()}
    return pa.chunked_array([pa.array([plain[text] or text for text in texts], pa.string())])


def joined_key(table: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    """The key of each row as one text; the columns are text already."""
    if len(key) == 1:
        return table[key[0]]
    return pc.binary_join_element_wise(*(table[name] for name in key), SEPARATOR)
