"""Data of a day beyond what memory should hold: written to scratch files, and mapped from there.

A mapped column is an Arrow column like any other, but its pages are those of a file: the system reads them when they
are looked at, and drops them when memory runs short. So a day may be larger than memory, and what has to see all of a
column still does. Each scratch file is unlinked as soon as it is mapped, and is gone with the last who uses it, however
the process ends.
"""

from __future__ import annotations

import errno
import mmap
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from typing import IO, TypeVar

import pyarrow as pa

from tidewheel.errors import PlatformError

Held = TypeVar("Held")

HELD = 64 << 20
"""Bytes of a column, a file or a table up to which it stays in memory."""
BLOCK = 4 << 20

Content = bytes | mmap.mmap
"""A file, in memory or mapped."""


class NoScratchSpace(PlatformError):
    """The disk of the scratch files is full."""


def gathered(batches: Iterable[pa.RecordBatch], schema: pa.Schema, limit: int | None = None) -> pa.Table:
    """Batches as one table; the batches of a large one are never in memory together.

    Args:
        batches: all of one schema.
        schema: theirs, for a table without any.
        limit: bytes up to which the table stays in memory; default: `HELD`.
    """
    rest, held, size = iter(batches), [], 0
    for batch in rest:
        held.append(batch)
        size += batch.nbytes
        if size > (HELD if limit is None else limit):
            return _mapped(chain(_drained(held), rest), schema)
    return pa.Table.from_batches(held, schema)


def by_schema(tables: Iterable[pa.Table]) -> list[pa.Table]:
    """Tables that come one after the other; those in a row that have the same schema are one."""
    found: list[pa.Table] = []
    for schema, alike in groupby(tables, key=lambda table: table.schema):
        limit = max(0, HELD - sum(table.nbytes for table in found))
        found.append(gathered((batch for table in alike for batch in table.to_batches()), schema, limit))
    return found


def spilled(column: pa.ChunkedArray, limit: int | None = None) -> pa.ChunkedArray:
    """A column that was computed; one of more bytes than the limit (default: `HELD`) as a mapped one."""
    if column.nbytes <= (HELD if limit is None else limit):
        return column
    schema = pa.schema([pa.field("column", column.type)])
    batches = (pa.record_batch([chunk], schema=schema) for chunk in column.chunks)
    return _mapped(batches, schema).column(0)


def each_column(table: pa.Table, change: Callable[[str, pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    """A table with each of its columns changed, one after the other. A column that comes back as it is stays.

    Args:
        table: the table; each column has a name of its own.
        change: takes a column's name and the column.
    """
    columns, held = {}, 0
    for name, column in zip(table.column_names, table.columns, strict=True):
        columns[name] = changed = change(name, column)
        if changed is not column:
            columns[name] = spilled(changed, HELD - held)
            held += changed.nbytes if columns[name] is changed else 0
    return pa.table(columns)


def content_of(pieces: Iterable[bytes]) -> Content:
    """Pieces of a file as a whole; those of a large one are never in memory together."""
    rest, held, size = iter(pieces), [], 0
    for piece in rest:
        held.append(piece)
        size += len(piece)
        if size > HELD:
            with tempfile.TemporaryFile(prefix="tidewheel-") as file, _room():
                for one in chain(_drained(held), rest):
                    file.write(one)
                file.flush()
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return b"".join(held)


def blocks(content: Content, start: int = 0) -> Iterator[bytes]:
    """A file in pieces, from a place in it on."""
    for place in range(start, len(content), BLOCK):
        yield content[place : place + BLOCK]


def read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """What an open file holds, in pieces."""
    return iter(lambda: file.read(BLOCK), b"")


def count(content: Content, what: bytes, end: int) -> int:
    """How often something of one or two bytes occurs in the first bytes of a file."""
    rows, carried = 0, b""
    for place in range(0, end, BLOCK):
        block = carried + content[place : min(place + BLOCK, end)]
        rows += block.count(what)
        carried = block[-1:] if len(what) > 1 else b""
    return rows


def _mapped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    with tempfile.NamedTemporaryFile(prefix="tidewheel-", suffix=".arrow") as file, _room():
        with pa.OSFile(file.name, "wb") as opened, pa.ipc.new_stream(opened, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        return pa.ipc.open_stream(pa.memory_map(file.name)).read_all()


def _drained(items: list[Held]) -> Iterator[Held]:
    """The items of a list, which forgets each as it is given."""
    items.reverse()
    while items:
        yield items.pop()


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        folder = tempfile.gettempdir()
        raise NoScratchSpace(
            f"no room in {folder} for the scratch files of a day that is larger than {HELD >> 20} MiB: "
            f"{shutil.disk_usage(folder).free >> 20} MiB are free; expected about three times the day as plain text; "
            "make room, or set TMPDIR to a folder on a larger disk"
        ) from error
