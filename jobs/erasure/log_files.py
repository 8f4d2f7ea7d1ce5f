"""Erases rows from the request log's files: the services' own, those that pods have shipped, and damaged ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bentos.segments import block_of
from jobs.data.request_log import DATASET
from jobs.data.segment_reader import read_segment

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.data.log_files import LogFile
    from jobs.data.request_log import RequestLog
    from jobs.erasure.key_rows import KeyRows


@dataclass
class LogErasure:
    """What was found in the log's files, and was erased unless it was only looked for.

    Attributes:
        rows: how many.
        files: in how many files.
        damaged: names of damaged files that named the key, and were deleted whole.
        left: files that hold such rows still, each with the reason.
    """

    rows: int = 0
    files: int = 0
    damaged: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def erase_logged(log: RequestLog, rows: KeyRows, now: datetime, *, dry_run: bool) -> LogErasure:
    """Erase rows from the files of a request log; what of it is published is a dataset of the lake.

    Args:
        log: of a pipeline; nobody else may publish meanwhile, see `RequestLog.alone`.
        rows: which.
        now: the time, with its zone.
        dry_run: only look.
    """
    erased = LogErasure()
    for day in log.days():
        for file in log.segments(day):
            table = read_segment(file).rows
            if table is None or not set(rows.columns(DATASET)) <= set(table.column_names):
                continue
            mask = rows.of(DATASET, table)
            count = int(pc.sum(mask).as_py() or 0)
            if not count:
                continue
            if not file.is_finished(now):
                erased.left[str(file)] = _still_written(file, now)
                continue
            erased.rows, erased.files = erased.rows + count, erased.files + 1
            if not dry_run:
                _rewrite(file, table.filter(pc.invert(mask)))
    for file in log.set_aside():
        content = file.content()
        if content is not None and rows.in_text(content.to_pybytes()):
            erased.damaged.append(str(file))
            if not dry_run:
                file.remove()
    return erased


def _still_written(file: LogFile, now: datetime) -> str:
    changed = file.changed() or now
    until = changed + file.finished_after
    return f"it may still be written to: run this again after {until:%Y-%m-%d %H:%M} UTC"


def _rewrite(file: LogFile, table: pa.Table) -> None:
    if not table.num_rows:
        file.remove()
        return
    if file.has_checksums:
        pieces = (piece for batch in table.to_batches() if batch.num_rows for piece in block_of(batch))
        file.replace(b"".join(memoryview(piece) for piece in pieces))
        return
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    file.replace(sink.getvalue().to_pybytes())
