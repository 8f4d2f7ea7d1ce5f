"""Counts of requests outside the model's contract, by column, for /metrics and for the files beside the prediction log.

Columns are named as the contract names them, a hundred at most; what a caller writes is never counted by its name. An
answer never waits for the disk, and what the disk refuses is written with the next counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from bentos.contract_kinds import (
    ANSWERED,
    ANY,
    BEYOND,
    BODY,
    FIELD,
    KEY_FIELDS,
    MISSING,
    OTHERS,
    REFUSED,
    SCHEMA,
    UNKNOWN,
    WRONG,
)
from bentos.platform_token import COPY, PROBE, copy_marks, is_copy, shows
from bentos.problems import NO_COLUMN, NOTHING, NULL, shortened
from bentos.segments import COUNTS_SUFFIX, SEGMENT_SECONDS, SegmentWriter

if TYPE_CHECKING:
    from pathlib import Path

    from bentos.packaged import Packaged
    from bentos.problems import Problem, RequestRefused
    from bentos.request_head import RequestHead

log = logging.getLogger("tidewheel.contract_counts")

WRITE_SECONDS = 30.0
"""What a process that is killed loses at most."""
CLOSE_SECONDS = 5.0
MOST_COLUMNS = 100
OF_CONTRACT = frozenset({400, 413, 422})
"""Statuses of refusals that say that the body is not what the contract says."""
Kind = tuple[str, str, str]
"""Field, problem, outcome."""
Counts = dict[Kind, list[int]]
"""Requests and rows by kind."""


class ContractCounts(Collector):
    """Counts in one process.

    Args:
        packaged: the model that answers.
        colour: where it answers.
        folder: of the prediction log; None where nothing is written.
        token: the platform's, see `bentos.platform_token`.
    """

    def __init__(self, packaged: Packaged, colour: str, folder: Path | None = None, token: bytes = b"") -> None:
        self._packaged, self._colour, self._token = packaged, colour, token
        # problems name a column by its beginning where its name is long
        self._columns = {shortened(column.name): column for column in packaged.contract.columns}
        self._copy_marks = copy_marks(token, colour)
        self._named: set[str] = set()
        self._lock = threading.Lock()
        self._total: Counts = {}
        self._waiting: dict[float, Counts] = {}
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if folder is not None:
            self._writer = SegmentWriter(folder, f"{colour}-{packaged.version}", suffix=COUNTS_SUFFIX)
            self._thread = threading.Thread(target=self._run, name="contract-counts", daemon=True)
            self._thread.start()

    def answered(self, head: RequestHead, rows: int, flags: list[dict[str, Any]]) -> None:
        """Count an answer, and the values in it that training never had.

        Args:
            head: of the request.
            rows: that were answered.
            flags: see `bentos.answer.Flag`; of a large request the first hundred.
        """
        if self._is_internal(head):
            return
        kinds: dict[Kind, int] = {}
        for flag in flags:
            column = self._columns[shortened(flag["field"])]
            kind = (self._name(column.name), BEYOND if column.type == "number" else UNKNOWN, ANSWERED)
            kinds[kind] = kinds.get(kind, 0) + 1
        if flags:
            kinds["", ANY, ANSWERED] = len({flag["row"] for flag in flags})
        self._count({("", "", ANSWERED): rows, **kinds})

    def refused(self, head: RequestHead, refusal: RequestRefused) -> None:
        """Count a request that was refused for its content.

        Args:
            head: of the request.
            refusal: names up to 20 problems.
        """
        if refusal.status in OF_CONTRACT and not self._is_internal(head):
            self._count(dict.fromkeys([("", "", REFUSED), *self._problems(refusal.details)], 0))

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The figures for /metrics."""
        family = CounterMetricFamily(
            "tidewheel_contract_problems",
            "Requests with a value outside the contract, by column.",
            labels=["model_version", "field", "problem", "outcome"],
        )
        with self._lock:
            total = {kind: requests for kind, (requests, _) in self._total.items()}
        for kind, requests in total.items():
            if kind[1] not in ("", ANY):
                family.add_metric([self._packaged.version, *kind], requests)
        yield family

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Nothing: which columns there will be is not known."""
        return iter(())

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        if self._thread:
            self._thread.join(CLOSE_SECONDS)

    def _problems(self, details: Iterable[Problem]) -> Iterator[Kind]:
        problems = {self._problem(detail) for detail in details}
        yield from ((name, problem, REFUSED) for name, problem in problems or {("", BODY)})
        yield from ((name, ANY, REFUSED) for name in {name for name, _ in problems if name})

    def _problem(self, detail: Problem) -> tuple[str, str]:
        """Column and kind of what is wrong. Values stand in a detail as JSON: text is in quotes, our words are not."""
        field, value = detail["field"], detail["found"]
        if field is None:
            return "", BODY
        if field in self._packaged.key:
            return KEY_FIELDS, WRONG
        column = self._columns.get(field)
        if column is None:
            return "", FIELD
        if value in (NOTHING, NO_COLUMN, NULL):
            return self._name(column.name), MISSING
        is_category = column.type == "category" and self._packaged.refuse_unknown and value.startswith('"')
        return self._name(column.name), UNKNOWN if is_category else WRONG

    def _name(self, column: str) -> str:
        if column not in self._named:
            if len(self._named) >= MOST_COLUMNS:
                return OTHERS
            self._named.add(column)
        return column

    def _is_internal(self, head: RequestHead) -> bool:
        if PROBE in head.headers and shows(head.headers, PROBE, self._token):
            return True
        return COPY in head.headers and is_copy(head.headers, self._copy_marks)

    def _count(self, rows_of: Mapping[Kind, int]) -> None:
        span = time.time() // SEGMENT_SECONDS
        with self._lock:
            places = [self._total] if self._thread is None else [self._total, self._waiting.setdefault(span, {})]
            for counts in places:
                for kind, rows in rows_of.items():
                    both = counts.setdefault(kind, [0, 0])
                    both[0] += 1
                    both[1] += rows

    def _run(self) -> None:
        refused = False
        while not self._closing.wait(WRITE_SECONDS) or self._waiting:
            try:
                self._write()
                refused = False
            except OSError as error:
                if not refused:
                    log.error("counts wait for the disk, the answers go on: %s", error)  # noqa: TRY400
                refused = True
            if self._closing.is_set():
                break
        self._close_file()

    def _write(self) -> None:
        with self._lock:
            spans = sorted(self._waiting)
        for span in spans:
            with self._lock:
                counts = self._waiting.pop(span)
            begun = datetime.fromtimestamp(span * SEGMENT_SECONDS, UTC)
            try:
                self._writer.write(begun, self._batch(begun, counts))
            except OSError:
                with self._lock:
                    _add(self._waiting.setdefault(span, {}), counts)
                raise

    def _batch(self, begun: datetime, counts: Counts) -> pa.RecordBatch:
        count = len(counts)
        fields, problems, outcomes = zip(*counts, strict=True)
        requests, rows = zip(*counts.values(), strict=True)
        version = self._packaged.version
        columns = [
            [begun] * count,
            [version] * count,
            [self._colour] * count,
            fields,
            problems,
            outcomes,
            requests,
            rows,
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        return pa.record_batch(arrays, schema=SCHEMA)

    def _close_file(self) -> None:
        try:
            self._writer.close()
        except OSError as error:
            log.error("the last counts may be lost: %s", error)  # noqa: TRY400


def _add(counts: Counts, more: Counts) -> None:
    for kind, (requests, rows) in more.items():
        both = counts.setdefault(kind, [0, 0])
        both[0] += requests
        both[1] += rows
