"""The prediction log: rows and their predictions, handed to a thread of its own that writes them.

An answer never waits for the log. What cannot be logged is dropped and counted: where more rows or bytes wait than the
limits here allow, where the disk refuses, and where a request or a day would take more of it than `LogLimits` grants.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bentos.log_limits import ROW_BYTES, USUAL, LogLimits, first_of, fitting, row_sizes
from bentos.platform_token import COPY, PROBE, copy_marks, is_copy, share_of, shows
from bentos.problems import quantity
from bentos.segments import SEGMENT_SECONDS, SegmentWriter, log_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from bentos.packaged import Packaged
    from bentos.predictor import Predictions
    from bentos.request import CheckedRows
    from bentos.request_head import RequestHead

log = logging.getLogger("tidewheel.prediction_log")

WRITE_SECONDS = 1.0
"""What a process that is killed loses at most."""
WAKING_ROWS = 2_000
MOST_WAITING_ROWS = 20_000
MOST_WAITING_BYTES = 64 << 20
RETRY_SECONDS = 10.0
"""After the disk refused, nothing is tried for this long."""
CLOSE_SECONDS = 20.0
LONGEST_ID = 128
"""Of a request, which each of its rows has."""


class _Waiting:
    """Answers of one segment that wait to be written, column by column.

    Numbers are copied: an object that one thread makes and another drops costs both of them more than its content.
    """

    def __init__(self, packaged: Packaged, span: float) -> None:
        self.span = span
        self.shape = len(packaged.key), len(packaged.contract.numeric)
        self.outputs = packaged.contract.outputs
        self.bytes = 0
        self.request_ids: list[str] = []
        self.counts: list[int] = []
        self.times: list[float] = []
        self.mirrored: list[bool] = []
        self.predictions, self.numbers = bytearray(), bytearray()
        self.texts: list[list[int | str | None]] = [[] for _ in (*packaged.key, *packaged.contract.categorical)]

    def batch(self, schema: pa.Schema, model_version: str, colour: str) -> pa.RecordBatch:
        counts = np.array(self.counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        rows, (keys, numbers) = len(before), self.shape
        # Cut to a microsecond, not rounded, which could be one of the next segment.
        moments = (np.array(self.times) * 1e6).astype("datetime64[us]")
        columns = [
            np.repeat(np.array(self.request_ids, dtype=object), counts),
            np.arange(rows) - before,
            np.repeat(moments, counts),
            pa.repeat(model_version, rows),
            pa.repeat(colour, rows),
            np.repeat(self.mirrored, counts),
            *self._predicted(rows),
            *([None if value is None else str(value) for value in key] for key in self.texts[:keys]),
            *np.frombuffer(self.numbers).reshape(rows, numbers).T.copy(),
            *self.texts[keys:],
        ]
        # NaN becomes null.
        arrays = [
            c if isinstance(c, pa.Array) else pa.array(c, field.type, from_pandas=True)
            for c, field in zip(columns, schema, strict=True)
        ]
        return pa.record_batch(arrays, schema=schema)

    def _predicted(self, rows: int) -> Sequence[object]:
        predictions = np.frombuffer(self.predictions)
        return self.outputs.arrays(predictions.reshape(rows, -1)) if self.outputs.classes else [predictions]


class PredictionLog:
    """Writes the answers of one process.

    Args:
        folder: where, see `bentos.segments`; need not be there.
        packaged: the model that answers.
        colour: where it answers.
        limits: of what it writes.
        token: the platform's, see `bentos.platform_token`.
    """

    def __init__(
        self, folder: Path, packaged: Packaged, colour: str, limits: LogLimits = USUAL, token: bytes = b""
    ) -> None:
        self._packaged = packaged
        contract = packaged.contract
        self._schema = log_schema(contract.numeric, contract.categorical, packaged.key, contract.outputs)
        self._writer = SegmentWriter(folder, f"{colour}-{packaged.version}", limits)
        self._folder, self._colour = folder, colour
        self._share, self._limits, self._token = packaged.log_sample, limits, token
        self._copy_marks = copy_marks(token, colour)
        self._fixed_bytes = ROW_BYTES + LONGEST_ID + 8 * (len(contract.numeric) + contract.outputs.width - 1)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._wake = threading.Event()
        self._closing = False
        self._blocked_until = 0.0
        self._full_day: date | None = None
        self.written = 0
        self.dropped = {"queue": 0, "disk": 0, "failed": 0, "day": 0}
        self.cut_requests = self.cut_rows = 0
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def samples(self, request_id: str) -> bool:
        """Whether a request belongs to the sample: by its id alone, so that both colours log the same ones."""
        return share_of(request_id, self._token) < self._share

    def put(self, head: RequestHead, rows: CheckedRows, predictions: Predictions) -> None:
        """Hand an answer over, unless the request is a release's own or not in the sample.

        Takes microseconds, whatever the disk does. All in one piece: here each call costs as much as what it does.

        Args:
            head: of the request.
            rows: that were predicted.
            predictions: one a row.
        """
        if PROBE in head.headers and shows(head.headers, PROBE, self._token):
            return
        if self._share < 1 and not self.samples(head.request_id):
            return
        at, count = time.time(), len(predictions)
        span, texts = at // SEGMENT_SECONDS, (*rows.key, *rows.columns.categories)
        whole, size = count, self._fixed_bytes
        if count == 1:
            for values in texts:
                for value in values:
                    size += len(value) if type(value) is str else 8
        else:
            sizes = row_sizes(count, self._fixed_bytes, texts)
            count = fitting(sizes, self._limits.request_bytes)
            size = int(sizes[:count].sum())
        copied = COPY in head.headers and is_copy(head.headers, self._copy_marks)
        with self._lock:
            if count < whole:
                self.cut_requests, self.cut_rows = self.cut_requests + 1, self.cut_rows + whole - count
            if self._waiting and (
                self._waiting_rows + count > MOST_WAITING_ROWS or self._waiting_bytes + size > MOST_WAITING_BYTES
            ):
                self.dropped["queue"] += 1
                return
            if not self._waiting or self._waiting[-1].span != span:
                self._waiting.append(_Waiting(self._packaged, span))
            waiting = self._waiting[-1]
            waiting.request_ids.append(head.request_id)
            waiting.counts.append(count)
            waiting.times.append(at)
            waiting.mirrored.append(copied)
            waiting.predictions += predictions[:count].tobytes()
            waiting.numbers += rows.columns.numbers[:count].tobytes()
            for column, values in zip(waiting.texts, texts, strict=True):
                column += values if count == whole else first_of(values, count)
            waiting.bytes += size
            self._waiting_rows += count
            self._waiting_bytes += size
        if self._waiting_rows >= WAKING_ROWS and not self._wake.is_set():
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
            taken, self._waiting, self._waiting_rows, self._waiting_bytes = self._waiting, [], 0, 0
        for waiting in taken:
            requests = len(waiting.request_ids)
            if time.monotonic() < self._blocked_until and not self._closing:
                self.dropped["disk"] += requests
                continue
            begun = datetime.fromtimestamp(waiting.span * SEGMENT_SECONDS, UTC)
            if self._writer.written_on(begun.date()) + waiting.bytes > self._limits.day_bytes:
                self._day_is_full(begun.date(), requests)
                continue
            try:
                self._writer.write(begun, waiting.batch(self._schema, self._packaged.version, self._colour))
                self.written += requests
                self._disk_accepted()
            except OSError as error:
                self.dropped["disk"] += requests
                self._disk_refused(error)
            except Exception:
                # What one batch holds must not end the log of all that follow.
                self.dropped["failed"] += requests
                log.exception("%s not in the prediction log", _are(requests))

    def _day_is_full(self, day: date, requests: int) -> None:
        if self._full_day != day:
            most = self._limits.day_bytes >> 20
            log.error("the prediction log of %s has reached its %d MiB; the answers go on: %s", day, most, self._folder)
        self._full_day = day
        self.dropped["day"] += requests

    def _disk_refused(self, error: OSError) -> None:
        if not self._blocked_until:
            log.error("the prediction log stops, the answers go on: %s: %s", self._folder, error)
        self._blocked_until = time.monotonic() + RETRY_SECONDS

    def _disk_accepted(self) -> None:
        if self._blocked_until:
            log.warning("the prediction log goes on; %s not in it", _are(self.dropped["disk"]))
            self._blocked_until = 0.0


def _are(requests: int) -> str:
    return f"{quantity(requests, 'request')} {'is' if requests == 1 else 'are'}"
