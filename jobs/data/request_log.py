"""Requests and answers of the endpoint: the files of its services, here and in the lake, and the published days."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_pandas_object

from bentos.contract_kinds import SCHEMA as COUNTS_SCHEMA
from bentos.outputs import PROBABILITY
from bentos.segments import COUNTS_SUFFIX, FEATURE, SUFFIX, log_schema
from jobs.data.log_files import LocalFiles, LogFile, ShippedFiles
from jobs.data.segment_reader import read_segment
from tidewheel.file_lock import file_lock
from tidewheel.lake import Lake
from tidewheel.partitions import DAY, Partitioning, PartitionRange, day_of, day_or_none

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.request_log")

DATASET = "requests"
SEGMENT = "segment"
"""Column of a published batch: the file that a row was in."""
ORDER = ("time", "request_id", "row")
COUNTS_ORDER = tuple(COUNTS_SCHEMA.names)


@dataclass(frozen=True)
class LogKind:
    """One of the logs that services keep in the same folder.

    Attributes:
        dataset: in the lake, where its days are published.
        suffix: ends the names of its files.
        order: of its rows.
        schema: what each of its rows has at least.
        identity: columns that tell the rows of a file from one another.
    """

    dataset: str
    suffix: str
    order: tuple[str, ...]
    schema: pa.Schema
    identity: tuple[str, ...]


ANSWERS = LogKind(DATASET, SUFFIX, ORDER, log_schema((), (), ()), ("request_id", "row"))
COUNTS = LogKind("request_counts", COUNTS_SUFFIX, COUNTS_ORDER, COUNTS_SCHEMA, COUNTS_ORDER)
"""Of requests outside the contract, see `bentos.contract_kinds`."""
READ_AT_ONCE = 8
"""Files: those in a bucket take most of their time to begin."""


@dataclass(frozen=True)
class LoggedDay:
    """All that is known of one day's requests.

    Attributes:
        rows: as `RequestLog.between` says, and the column `segment`.
        segments: the files that were read whole, by name.
        damaged: the files that were changed after they were written, with a sentence that says what is lost; `rows` has
            what is left of them.
    """

    rows: pa.Table
    segments: tuple[LogFile, ...]
    damaged: Mapping[LogFile, str] = field(default_factory=dict)


class RequestLog:
    """The logged requests of one pipeline.

    Args:
        settings: of the installation.
        pipeline: its name.
        kind: which of the logs.
        unit: what a published batch holds; the files of the services lie in a folder for each day.
    """

    def __init__(self, settings: Settings, pipeline: str, kind: LogKind = ANSWERS, unit: Partitioning = DAY) -> None:
        self.folder, self.kind, self._unit = settings.request_log_folder / pipeline, kind, unit
        self._lake = Lake.open(pipeline, settings)
        self._places = LocalFiles(self.folder, kind.suffix), ShippedFiles(self._lake, kind.suffix)

    def between(self, start: datetime, end: datetime, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Predictions that were made in a time, in the order of time, request and row.

        A service hands its answers over once a second, and a pod ships them every two: what is younger may be missing.
        What was damaged is left out, and named in the log.

        Args:
            start: first moment, with a time zone.
            end: the moment after the last.
            columns: names of the columns to read, the fewer the quicker; default: all.

        Returns:
            One row a prediction: `request_id`, `row` (its place in the request, from 0), `time` (UTC),
            `model_version`, `colour`, `mirrored` (made for a copy of a request: nobody got this answer), `prediction`
            (of a multiclass model the class, with `probability_<class>` for each), `key.<name>` (the row's identity as
            its caller gave it, as text) and `features.<name>`.
        """
        selected = None if columns is None else [*dict.fromkeys([*columns, *ORDER])]
        inside = (pc.field("time") >= _moment(start)) & (pc.field("time") < _moment(end))
        nothing, logged = log_schema((), (), ()).empty_table(), []
        for key in self._keys(start, end):
            segments = [segment for segment in self.segments(key) if segment.begun < end and segment.end > start]
            logged.append(self._logged(key, segments, selected, inside).rows.filter(inside))
        # A class is text or an integer: an empty table, whose prediction is a number, would not go with it.
        there = [rows for rows in logged if rows.num_rows] or [nothing]
        table = pa.concat_tables(there, promote_options="permissive")
        table = table.sort_by([(name, "ascending") for name in ORDER])
        names = columns if columns is not None else [name for name in table.column_names if name != SEGMENT]
        frame: pd.DataFrame = table.select([name for name in names if name in table.column_names]).to_pandas()
        return frame

    def scores(self, version: str, start: datetime, end: datetime) -> list[float]:
        """What a version answered between two moments, the newest answer to each row, in the order of time.

        Of a multiclass version it is the probability of the class that was predicted.

        A caller that asks for one row again and again, as a health checker does, tells no more of a version's scores
        than one that asks once.

        Args:
            version: of the model.
            start: first moment, with a time zone.
            end: the moment after the last.
        """
        answers = self.between(start, end)
        answers = answers[answers["model_version"] == version]
        sent = answers[[name for name in answers.columns if name.startswith(FEATURE)]]
        repeated = hash_pandas_object(sent, index=False).duplicated(keep="last")
        newest = answers[~repeated]
        probabilities = [name for name in newest.columns if name.startswith(PROBABILITY)]
        scores = newest[probabilities].max(axis=1) if probabilities else newest["prediction"]
        return [float(score) for score in scores]

    def day(self, key: str) -> LoggedDay:
        """One partition: what its files hold, and what was published of files that are gone.

        Args:
            key: of the partition.
        """
        return self._logged(key, self.segments(key))

    def _logged(
        self,
        key: str,
        segments: Sequence[LogFile],
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> LoggedDay:
        # The files first: one that vanishes meanwhile has been published before.
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            contents = pool.map(lambda segment: read_segment(segment, columns), segments)
            read = dict(zip(segments, contents, strict=True))
        tables = {segment: content.rows for segment, content in read.items() if content.rows is not None}
        damaged = {segment: content.damage for segment, content in read.items() if content.damage}
        for damage in damaged.values():
            log.warning("%s", damage)
        pieces = [
            table.append_column(SEGMENT, pa.repeat(segment.path.name, table.num_rows))
            for segment, table in tables.items()
        ]
        manifest = self._lake.published(self.kind.dataset, key)
        if manifest is not None:
            known = None if columns is None else [name for name in (*columns, SEGMENT) if name in manifest.columns]
            published = self._lake.read(manifest, known, where=where)
            whole = pa.array([segment.path.name for segment in tables if segment not in damaged], pa.string())
            published = published.filter(pc.invert(pc.is_in(published[SEGMENT], whole)))
            if damaged:  # what was published of a file before it was damaged stays
                there = self._identities(published)
                pieces = [piece.filter(pc.invert(pc.is_in(self._identities(piece), there))) for piece in pieces]
            pieces.append(published)
        if not pieces:
            pieces = [self.kind.schema.empty_table().append_column(SEGMENT, pa.array([], pa.string()))]
        rows = pa.concat_tables(pieces, promote_options="permissive")
        return LoggedDay(rows, tuple(segment for segment in tables if segment not in damaged), damaged)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process that publishes, drops or changes files of the log: two would drop each other's rows."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock(self.folder / "publishing.lock"):
            yield

    def set_aside(self) -> list[LogFile]:
        """Damaged files that nobody reads any more."""
        return [file for place in self._places for file in place.set_aside()]

    def days(self) -> list[str]:
        """Keys of the partitions that have files, in order."""
        days = (day_or_none(folder) for place in self._places for folder in place.days())
        return sorted({str(self._unit.holding(day)) for day in days if day})

    def folders(self, key: str) -> list[Path]:
        """Where the services of this machine keep a partition's files, one folder a day; none need be there."""
        return [self.folder / str(day) for day in self._calendar_days(key)]

    def segments(self, key: str) -> list[LogFile]:
        """The files of one partition, in the order of their time."""
        found = [file for place in self._places for day in self._calendar_days(key) for file in place.of(str(day))]
        return sorted(found, key=lambda file: (file.begun, file.path.name))

    def _calendar_days(self, key: str) -> list[date]:
        first = day_of(key)
        return PartitionRange(first, first, self._unit).calendar_days

    def _keys(self, start: datetime, end: datetime) -> list[str]:
        """Keys of the partitions that a time touches."""
        last = (end - timedelta(microseconds=1)).astimezone(UTC).date()
        first = start.astimezone(UTC).date()
        return (
            PartitionRange(self._unit.holding(first), self._unit.holding(last), self._unit).keys if start < end else []
        )

    def _identities(self, rows: pa.Table) -> pa.ChunkedArray:
        texts = (rows[name].cast(pa.string()) for name in self.kind.identity)
        return pc.binary_join_element_wise(rows[SEGMENT], *texts, "/")


def _moment(at: datetime) -> pa.Scalar:
    return pa.scalar(at.astimezone(UTC), log_schema((), (), ()).field("time").type)
