"""Files of answered requests: Arrow streams that are appended to, and begun anew every few minutes.

Layout below the log's folder:

    <day>/<begun>-<colour>-<version>-<random>.arrows     answers given on that day; both in UTC

A stream needs no end: whatever was written before a process died can be read, up to the last whole batch.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

SUFFIX = ".arrows"
SEGMENT_SECONDS = 300
"""Nothing is appended to a file that was begun longer ago than this."""
SEGMENT_BYTES = 64 << 20
BEGUN = "%Y%m%dT%H%M%S%f"
TIME = pa.timestamp("us", tz="UTC")
FEATURE, KEY = "features.", "key."
"""What stands before the names of a row's own columns, so that they never meet ours."""


def log_schema(numbers: Sequence[str], categories: Sequence[str], key: Sequence[str]) -> pa.Schema:
    """Columns of the log of a model.

    Args:
        numbers: its numeric features.
        categories: its categorical features.
        key: columns that identify a row, as text.
    """
    return pa.schema(
        [
            ("request_id", pa.string()),
            ("row", pa.int32()),
            ("time", TIME),
            ("model_version", pa.string()),
            ("colour", pa.string()),
            ("mirrored", pa.bool_()),
            ("prediction", pa.float64()),
            *((f"{KEY}{name}", pa.string()) for name in key),
            *((f"{FEATURE}{name}", pa.float64()) for name in numbers),
            *((f"{FEATURE}{name}", pa.string()) for name in categories),
        ]
    )


@dataclass(frozen=True, order=True)
class Segment:
    """One file of the log.

    Attributes:
        begun: when it was begun, which may be just after the day of its rows.
        path: where it lies.
    """

    begun: datetime
    path: Path

    @classmethod
    def at(cls, path: Path) -> Segment | None:
        """The segment that a path names, None where it is something else."""
        found = re.fullmatch(rf"(\d{{8}}T\d{{12}})-.+{re.escape(SUFFIX)}", path.name)
        return cls(datetime.strptime(found[1], BEGUN).replace(tzinfo=UTC), path) if found else None


class SegmentWriter:
    """Appends batches to segments; one thread of one process has it.

    Args:
        folder: of the log; need not be there.
        label: what a segment's name says of its writer.
        schema: of every batch.
    """

    def __init__(self, folder: Path, label: str, schema: pa.Schema) -> None:
        self._folder, self._label, self._schema = folder, re.sub(r"[^A-Za-z0-9._-]", "_", label), schema
        self._open: _OpenSegment | None = None

    def write(self, day: str, batch: pa.RecordBatch) -> None:
        """Append rows of one day (UTC), and hand them to the operating system.

        Raises:
            OSError: they could not be written; the next call begins a new segment.
        """
        if self._open and (self._open.day != day or self._open.is_full()):
            self.close()
        try:
            if self._open is None:
                self._open = _OpenSegment(self._folder, day, self._label, self._schema)
            self._open.write(batch)
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


class _OpenSegment:
    def __init__(self, folder: Path, day: str, label: str, schema: pa.Schema) -> None:
        self.day = day
        (folder / day).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._begun = time.monotonic()
        name = f"{datetime.now(UTC):{BEGUN}}-{label}-{secrets.token_hex(4)}{SUFFIX}"
        self._path = folder / day / name
        self._file = self._path.open("xb", buffering=0)
        self._written = self._batches = 0
        # Arrow writes in many small pieces: they are gathered, and a batch is one call to the system.
        self._pieces = io.BytesIO()
        # Not compressed: of so few rows it would save a third, and take four times as long as all the rest.
        self._stream = pa.ipc.new_stream(self._pieces, schema)

    def is_full(self) -> bool:
        return time.monotonic() - self._begun > SEGMENT_SECONDS or self._written > SEGMENT_BYTES

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.write_batch(batch)
        self._hand_over()
        self._batches += 1

    def close(self) -> None:
        self._stream.close()
        try:
            self._hand_over()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Leave the file as it is: what it holds can be read up to the last whole batch."""
        self._file.close()
        if not self._batches:
            self._path.unlink(missing_ok=True)

    def _hand_over(self) -> None:
        rest = memoryview(self._pieces.getvalue())
        self._pieces.seek(0)
        self._pieces.truncate()
        while rest:
            written = self._file.write(rest)
            self._written += written
            rest = rest[written:]
