"""The order of rows by their key, and rows in it, whatever fits into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.spill import HELD, each_column, gathered

PART_ROWS = 1 << 20
PART_BYTES = 128 << 20


def key_order(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """The places of a table's rows, in the order of their key; rows of one key stay as they were."""
    return pc.sort_indices(table.select(key), sort_keys=[(column, "ascending") for column in key])


def in_order(table: pa.Table, order: pa.Array) -> pa.Table:
    """A table's rows by their places."""
    return each_column(table, lambda _, column: _taken(column, order))


def repeated(keys: pa.Table, order: pa.Array) -> pa.Table:
    """The keys that occur more than once, as often as they do, as their rows came.

    Args:
        keys: the columns of the key, without missing values.
        order: of the keys; the same ones stand side by side in it, so that no table of all keys is needed.
    """
    if len(order) < 2:
        return keys.slice(0, 0)
    same = np.ones(len(order) - 1, dtype=bool)  # as the row before
    for column in keys.columns:
        values = _taken(column, order)
        same &= pc.equal(values.slice(1), values.slice(0, len(same))).to_numpy()
    first = np.flatnonzero(same)
    places = np.union1d(order.to_numpy()[first], order.to_numpy()[first + 1])
    return keys.take(pa.array(places, pa.uint64()))


def _taken(column: pa.ChunkedArray, order: pa.Array) -> pa.ChunkedArray:
    if column.nbytes <= HELD:
        return column.take(order)
    schema = pa.schema([pa.field("column", column.type)])
    parts = (pa.record_batch([part], schema=schema) for part in _parts(column, order))
    return gathered(parts, schema).column(0)


def _parts(column: pa.ChunkedArray, order: pa.Array) -> Iterator[pa.Array]:
    """Parts of a column in order. Arrow's own `take` would first make one array of all chunks.

    Each part is read chunk by chunk, since a column that is mapped is read from the disk.
    """
    starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)], dtype=np.uint64)  # as places are
    rows = max(1, min(PART_ROWS, PART_BYTES * len(column) // column.nbytes))
    for begin in range(0, len(order), rows):
        places = order.slice(begin, rows).to_numpy()
        ascending = np.argsort(places)
        cuts = np.searchsorted(places, starts, sorter=ascending)
        pieces = [
            chunk.take(pa.array(places[ascending[first:last]] - start))
            for chunk, start, first, last in zip(column.chunks, starts, cuts, cuts[1:], strict=False)
            if first < last
        ]
        back = np.empty_like(ascending)
        back[ascending] = np.arange(len(ascending))
        yield pa.concat_arrays(pieces).take(pa.array(back))
