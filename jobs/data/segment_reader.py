"""Reads a file of the request log: its undamaged rows, and a sentence that says what of it was damaged."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from bentos.segments import BlockHeader
from tidewheel.quantities import listing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.data.log_files import LogFile

MESSAGE = b"\xff\xff\xff\xff"
"""What each message of an Arrow stream begins with."""
NAMED = 3
"""So many damaged places of a file are named."""


@dataclass(frozen=True)
class SegmentContent:
    """What a file of the request log holds.

    Attributes:
        rows: the undamaged ones; None where there is none, or the file is gone.
        damage: names the file and what is lost; empty where nothing is.
    """

    rows: pa.Table | None = None
    damage: str = ""


@dataclass(frozen=True)
class _Damage:
    """A part of a file that was changed after it was written.

    Attributes:
        start: its first byte.
        end: the byte after its last.
        rows: that it held; None where its header was damaged too.
    """

    start: int
    end: int
    rows: int | None


def read_segment(segment: LogFile, columns: Sequence[str] | None = None) -> SegmentContent:
    """Read a file that may still be appended to: every whole block, or batch, that is as it was written.

    A file may end anywhere, since its writer may live or have been killed: an unfinished end is no damage.

    Args:
        segment: the file.
        columns: names of the columns to read; default: all.
    """
    content = segment.content()
    if content is None:
        return SegmentContent()
    blocks = _blocks(segment, content) if segment.has_checksums else _stream(segment, content)
    if blocks.rows is None or columns is None:
        return blocks
    return SegmentContent(blocks.rows.select([n for n in blocks.rows.column_names if n in columns]), blocks.damage)


def _blocks(segment: LogFile, content: pa.Buffer) -> SegmentContent:
    data = memoryview(content)
    batches: list[pa.RecordBatch] = []
    damaged: list[_Damage] = []
    place = 0
    while len(data) - place >= BlockHeader.SIZE:
        header = BlockHeader.at(data[place:])
        if header is None:
            end = _next_header(data, place + 1)
            damaged.append(_Damage(place, end, None))
        else:
            start = place + BlockHeader.SIZE
            end = start + header.length
            if end > len(data):
                break
            if zlib.crc32(data[start:end]) == header.checksum:
                batches.append(pa.ipc.open_stream(content.slice(start, header.length)).read_next_batch())
            else:
                damaged.append(_Damage(place, end, header.rows))
        place = end
    return SegmentContent(pa.Table.from_batches(batches) if batches else None, _in_words(segment, damaged))


def _next_header(data: memoryview, start: int) -> int:
    """Where the next block begins, from a place on; the end where none does."""
    rest = data[start:].tobytes()
    found = rest.find(BlockHeader.MARKER)
    while found >= 0:
        if BlockHeader.at(data[start + found :]):
            return start + found
        found = rest.find(BlockHeader.MARKER, found + 1)
    return len(data)


def _in_words(segment: LogFile, damaged: list[_Damage]) -> str:
    if not damaged:
        return ""
    rows = sum(part.rows or 0 for part in damaged)
    if all(part.rows is not None for part in damaged):
        count = f"{rows:,}"
    else:
        count = f"more than {rows:,}" if rows else "an unknown number"
    ranges = [f"{part.start:,} to {part.end - 1:,}" for part in damaged]
    places = listing(ranges, NAMED, rest=" and {:,} other places")
    last = segment.end - timedelta(seconds=1)
    return (
        f"{segment} was changed after it was written: of the predictions of {segment.begun:%H:%M}-"
        f"{last:%H:%M:%S} UTC {count} cannot be read (bytes {places}); the others are read"
    )


def _stream(segment: LogFile, content: pa.Buffer) -> SegmentContent:
    """A file from before there were checksums: one Arrow stream. A changed value in it cannot be seen."""
    batches: list[pa.RecordBatch] = []
    try:
        stream = pa.ipc.open_stream(content)
        while True:
            batches.append(stream.read_next_batch())
    except StopIteration:
        ended = True
    except (pa.ArrowException, OSError):
        ended = False
    damage = "" if ended else _damage_of_stream(segment, content)
    return SegmentContent(pa.Table.from_batches(batches) if batches else None, damage)


def _damage_of_stream(segment: LogFile, content: pa.Buffer) -> str:
    """A sentence where something whole comes after what cannot be read: its writer did not end there."""
    place = _after_whole_messages(content)
    rest = memoryview(content)[place:].tobytes()
    next_message = rest.find(MESSAGE, 1)
    while next_message > 0:
        if _is_message(content.slice(place + next_message)):
            return (
                f"{segment} was changed after it was written: what lies at byte {place:,} is no logged answer, "
                "and whole ones come after it; what comes before it is read"
            )
        next_message = rest.find(MESSAGE, next_message + 1)
    return ""


def _after_whole_messages(content: pa.Buffer) -> int:
    """Where the first message begins that is not whole."""
    stream, place = pa.BufferReader(content), 0
    try:
        while pa.ipc.read_message(stream) is not None:
            place = stream.tell()
    except (pa.ArrowException, OSError, EOFError):
        pass
    return place


def _is_message(data: pa.Buffer) -> bool:
    try:
        return pa.ipc.read_message(data) is not None
    except (pa.ArrowException, OSError, EOFError):
        return False
