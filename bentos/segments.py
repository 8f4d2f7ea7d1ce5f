"""Files of answered requests that are appended to, each for five minutes of answers.

Layout below the log's folder:

    <day>/<begun>-<colour>-<version>-<random>.crc.arrows     answers given in the five minutes from `begun` on; UTC

So a reader knows by its name whether a file can matter to it. A file is a row of blocks and needs no end: whatever was
written before a process died can be read, up to the last whole block. A block is an Arrow stream of one record batch,
with its own schema, behind a header with checksums: damage to one block is seen, and takes no other block with it.
Files without `.crc` are from before blocks: one Arrow stream each.

A file is locked (flock) for as long as its writer lives and may append to it.
"""

from __future__ import annotations

import errno
import fcntl
import re
import secrets
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from bentos.log_limits import USUAL, LogLimits
from bentos.outputs import ONE_NUMBER, Outputs

SUFFIX = ".arrows"
COUNTS_SUFFIX = ".counts"
"""Ends the names of files that hold counts of requests, and no requests; see `bentos.contract_counts`."""
CHECKED = ".crc"
"""Stands before the suffix of a file of blocks."""
SEGMENT_SECONDS = 300
"""How much time the rows of a file are from: a whole part of a day."""
BEGUN = "%Y%m%dT%H%M"
TIME = pa.timestamp("us", tz="UTC")
FEATURE, KEY = "features.", "key."
"""What stands before the names of a row's own columns, so that they never meet ours."""


def log_schema(
    numbers: Sequence[str], categories: Sequence[str], key: Sequence[str], outputs: Outputs = ONE_NUMBER
) -> pa.Schema:
    """Columns of the log of a model.

    Args:
        numbers: its numeric features.
        categories: its categorical features.
        key: columns that identify a row, as text.
        outputs: the columns of its predictions.
    """
    return pa.schema(
        [
            ("request_id", pa.string()),
            ("row", pa.int32()),
            ("time", TIME),
            ("model_version", pa.string()),
            ("colour", pa.string()),
            ("mirrored", pa.bool_()),
            *outputs.fields,
            *((f"{KEY}{name}", pa.string()) for name in key),
            *((f"{FEATURE}{name}", pa.float64()) for name in numbers),
            *((f"{FEATURE}{name}", pa.string()) for name in categories),
        ]
    )


@dataclass(frozen=True)
class BlockHeader:
    """What stands before the Arrow stream of a block.

    Attributes:
        length: of the stream, in bytes.
        rows: in the stream.
        checksum: CRC-32 of the stream.
    """

    length: int
    rows: int
    checksum: int

    MARKER = b"\xd7tidelog"
    _FIELDS = struct.Struct("<8sIII")
    _CHECKSUM = struct.Struct("<I")
    SIZE = _FIELDS.size + _CHECKSUM.size

    def to_bytes(self) -> bytes:
        """The header, with a checksum of its own at its end."""
        fields = self._FIELDS.pack(self.MARKER, self.length, self.rows, self.checksum)
        return fields + self._CHECKSUM.pack(zlib.crc32(fields))

    @classmethod
    def at(cls, data: memoryview) -> BlockHeader | None:
        """The header that data begins with; None where there is none, or where it was changed."""
        if len(data) < cls.SIZE:
            return None
        fields = data[: cls._FIELDS.size]
        marker, length, rows, checksum = cls._FIELDS.unpack(fields)
        [own] = cls._CHECKSUM.unpack(data[cls._FIELDS.size : cls.SIZE])
        return cls(length, rows, checksum) if marker == cls.MARKER and own == zlib.crc32(fields) else None


def block_of(batch: pa.RecordBatch) -> tuple[bytes, pa.Buffer, pa.Buffer]:
    """A block with some rows, in the pieces that are written one after the other."""
    # Not compressed: of so few rows it would save a third, and take four times as long as all the rest.
    schema, rows = batch.schema.serialize(), batch.serialize()
    checksum = zlib.crc32(rows, zlib.crc32(schema))
    return BlockHeader(len(schema) + len(rows), batch.num_rows, checksum).to_bytes(), schema, rows


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the log.

    Attributes:
        begun: its rows were answered then or later.
        path: where it lies.
    """

    begun: datetime
    path: Path

    @property
    def end(self) -> datetime:
        """Its rows were answered before this."""
        return self.begun + timedelta(seconds=SEGMENT_SECONDS)

    @property
    def has_checksums(self) -> bool:
        """Whether it is made of blocks; older files are not."""
        return self.path.suffixes[-2:-1] == [CHECKED]

    @classmethod
    def at(cls, path: Path) -> Segment | None:
        """The segment that a path names, None where it is something else."""
        match = re.fullmatch(rf"(\d{{8}}T\d{{4}})-.+({re.escape(SUFFIX)}|{re.escape(COUNTS_SUFFIX)})", path.name)
        return cls(datetime.strptime(match[1], BEGUN).replace(tzinfo=UTC), path) if match else None


class SegmentWriter:
    """Appends batches to segments; one thread of one process has it.

    Args:
        folder: of the log; need not be there.
        label: what a segment's name says of its writer.
        limits: of a file, and of the folder.
        suffix: ends the names of its files.
    """

    def __init__(self, folder: Path, label: str, limits: LogLimits = USUAL, suffix: str = SUFFIX) -> None:
        self._folder, self._label, self._limits = folder, re.sub(r"[^A-Za-z0-9._-]", "_", label), limits
        self._open: _OpenSegment | None = None
        self._suffix = suffix
        self._colour_files = f"*-{self._label.partition('-')[0]}-*{suffix}"
        self._day, self._day_bytes, self._measured = date.min, 0, False

    def written_on(self, day: date) -> int:
        """Bytes that this colour has written on a day: what lies there of all its processes, or more by this one."""
        if day != self._day:
            self._day, self._day_bytes, self._measured = day, 0, False
        if not self._measured:
            files = (self._folder / day.isoformat()).glob(self._colour_files)
            # Files that were taken away count on: those of this process.
            self._day_bytes, self._measured = max(self._day_bytes, sum(map(_size, files))), True
        return self._day_bytes

    def write(self, begun: datetime, batch: pa.RecordBatch) -> None:
        """Append rows, and hand them to the operating system.

        Args:
            begun: beginning of the `SEGMENT_SECONDS` that all of them were answered in; UTC.
            batch: the rows, always of the same schema.

        Raises:
            OSError: they could not be written, or the folder is full; the next call begins a new segment.
        """
        if self._open and (self._open.begun != begun or self._open.written > self._limits.segment_bytes):
            self.close()
        self._refuse_full_folder(batch.nbytes)
        try:
            if self._open is None:
                self._open = _OpenSegment(
                    self._folder, begun, f"{self._label}-{secrets.token_hex(8)}{CHECKED}{self._suffix}"
                )
                self._measured = False  # other replicas of the colour write too: their files are measured again
            self._day_bytes += self._open.write(batch)
        except OSError:
            if self._open:
                self._open.abandon()
                self._open = None
            raise

    def close(self) -> None:
        """End the present segment."""
        if self._open:
            segment, self._open = self._open, None
            segment.close()

    def _refuse_full_folder(self, more: int) -> None:
        most = self._limits.folder_bytes
        if most is None:
            return
        # A file may be taken away between its listing and the question for its size.
        sizes = (_size(path) for path in self._folder.glob(f"*/*{SUFFIX}"))
        if sum(sizes) + more > most:
            raise OSError(errno.ENOSPC, f"the log's files may take {most >> 20} MiB, and none was taken away")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class _OpenSegment:
    def __init__(self, folder: Path, begun: datetime, name: str) -> None:
        self.begun = begun
        day = folder / begun.date().isoformat()
        day.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = day / f"{begun:{BEGUN}}-{name}"
        self._file = self._path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        self.written = self._batches = 0

    def write(self, batch: pa.RecordBatch) -> int:
        before = self.written
        for piece in block_of(batch):
            self._append(piece)
        self._batches += 1
        return self.written - before

    def close(self) -> None:
        self._file.close()

    def abandon(self) -> None:
        """Leave the file as it is: what it holds can be read up to the last whole block."""
        self._file.close()
        if not self._batches:
            self._path.unlink(missing_ok=True)

    def _append(self, data: pa.Buffer | bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self.written += written
            rest = rest[written:]
