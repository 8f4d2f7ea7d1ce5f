"""The prediction log: what was asked and answered, handed to a thread of its own that writes it.

An answer never waits for the log. What cannot be kept is dropped and counted: where more rows wait than
`MOST_WAITING_ROWS`, and where the disk refuses.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bentos.predictor import Coded, Predictions
from bentos.request import Rows
from bentos.segments import FEATURE, KEY, SegmentWriter, log_schema

if TYPE_CHECKING:
    from pathlib import Path

    from bentos.contract import Packaged, Row

log = logging.getLogger("tidewheel.prediction_log")

WRITE_SECONDS = 1.0
"""What a process that is killed loses at most."""
WAKING_ROWS = 2_000
MOST_WAITING_ROWS = 20_000
RETRY_SECONDS = 10.0
"""After the disk refused, nothing is tried for this long."""
CLOSE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One answered request.

    Attributes:
        at: when it was answered, seconds since 1970.
        mirrored: a copy of a request, whose answer nobody gets.
        asked: the records of a JSON request, the columns of a table.
    """

    request_id: str
    at: float
    mirrored: bool
    asked: Sequence[Row] | Rows
    predictions: Predictions

    @property
    def day(self) -> str:
        """The day it was answered on, in UTC."""
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()


class PredictionLog:
    """Writes the answers of one process.

    Args:
        folder: where, see `bentos.segments`; need not be there.
        packaged: the model that answers.
        colour: where it answers.
    """

    def __init__(self, folder: Path, packaged: Packaged, colour: str) -> None:
        self._numbers = [column.name for column in packaged.columns if column.number]
        self._categories = [column.name for column in packaged.columns if not column.number]
        self._key = packaged.key
        self._schema = log_schema(self._numbers, self._categories, self._key)
        self._writer = SegmentWriter(folder, f"{colour}-{packaged.version}", self._schema)
        self._folder, self._version, self._colour = folder, packaged.version, colour
        self._share = packaged.log_sample
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._waiting_rows = 0
        self._wake = threading.Event()
        self._closing = False
        self._blocked_until = 0.0
        self.written = 0
        self.dropped = {"queue": 0, "disk": 0, "failed": 0}
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def wants(self, request_id: str) -> bool:
        """Whether a request belongs to the sample: by its id alone, so that both colours keep the same ones."""
        return self._share >= 1 or zlib.crc32(request_id.encode()) < self._share * 2**32

    def put(self, entry: Entry) -> None:
        """Hand an answer over; takes microseconds, whatever the disk does."""
        rows = len(entry.predictions)
        with self._lock:
            if self._waiting and self._waiting_rows + rows > MOST_WAITING_ROWS:
                self.dropped["queue"] += 1
                return
            self._waiting.append(entry)
            self._waiting_rows += rows
        if self._waiting_rows >= WAKING_ROWS:
            self._wake.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(WRITE_SECONDS)
            self._wake.clear()
            self._write_waiting()
        self._write_waiting()
        try:
            self._writer.close()
        except OSError as error:
            self._disk_refused(error)

    def _write_waiting(self) -> None:
        with self._lock:
            entries, self._waiting, self._waiting_rows = self._waiting, [], 0
        for (day, _), group in groupby(entries, key=_batch_of):
            found = list(group)
            if time.monotonic() < self._blocked_until and not self._closing:
                self.dropped["disk"] += len(found)
                continue
            try:
                self._writer.write(day, self._batch(found))
                self.written += len(found)
                self._disk_accepted()
            except OSError as error:
                self.dropped["disk"] += len(found)
                self._disk_refused(error)
            except Exception:
                # What one batch holds must not end the log of all that follow.
                self.dropped["failed"] += len(found)
                log.exception("%d requests are not in the prediction log", len(found))

    def _disk_refused(self, error: OSError) -> None:
        if not self._blocked_until:
            log.error("the prediction log stops, the answers go on: %s: %s", self._folder, error)
        self._blocked_until = time.monotonic() + RETRY_SECONDS

    def _disk_accepted(self) -> None:
        if self._blocked_until:
            log.warning("the prediction log goes on; %d requests are not in it", self.dropped["disk"])
            self._blocked_until = 0.0

    def _batch(self, entries: Sequence[Entry]) -> pa.RecordBatch:
        counts = [len(entry.predictions) for entry in entries]
        rows = sum(counts)
        columns: dict[str, Any] = {
            "request_id": np.repeat(np.array([entry.request_id for entry in entries], dtype=object), counts),
            "row": np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
            "time": np.repeat(np.array([round(entry.at * 1e6) for entry in entries], "datetime64[us]"), counts),
            "model_version": pa.repeat(self._version, rows),
            "colour": pa.repeat(self._colour, rows),
            "mirrored": np.repeat([entry.mirrored for entry in entries], counts),
            "prediction": np.concatenate([entry.predictions for entry in entries]),
        }
        first = entries[0].asked
        if isinstance(first, Rows):
            columns |= _columns_of_table(first)
        else:
            records = [record for entry in entries if not isinstance(entry.asked, Rows) for record in entry.asked]
            # One array for all numbers: a column takes as long to begin as a hundred of its values to convert.
            numbers = np.array([[record.get(name) for name in self._numbers] for record in records], np.float64).T
            columns |= {f"{FEATURE}{name}": values for name, values in zip(self._numbers, numbers.copy(), strict=True)}
            columns |= {f"{FEATURE}{name}": [record.get(name) for record in records] for name in self._categories}
            columns |= {f"{KEY}{name}": [_text(record.get(name)) for record in records] for name in self._key}
        arrays = [_array(columns[field.name], field.type) for field in self._schema]
        return pa.record_batch(arrays, schema=self._schema)


def _batch_of(entry: Entry) -> tuple[str, int]:
    """Entries that go into one batch: records of one day; a table is worth one of its own."""
    return entry.day, id(entry) if isinstance(entry.asked, Rows) else 0


def _columns_of_table(rows: Rows) -> dict[str, Any]:
    features = {
        f"{FEATURE}{name}": values.expanded() if isinstance(values, Coded) else values
        for name, values in rows.columns.items()
    }
    return {**features, **{f"{KEY}{name}": values for name, values in rows.key.items()}}


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values.cast(kind)
    return pa.array(values, kind, from_pandas=True)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
