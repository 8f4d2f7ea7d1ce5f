"""What the endpoint was asked and answered: the files its services append to, and the days published of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_pandas_object

from bentos.segments import FEATURE, SUFFIX, Segment, log_schema
from tidewheel.errors import LakeError
from tidewheel.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from tidewheel.settings import Settings

DATASET = "requests"
SEGMENT = "segment"
"""Column of a published batch: the file that a row was in."""
MESSAGE = b"\xff\xff\xff\xff"
"""What each message of an Arrow stream begins with."""
ORDER = ("time", "request_id", "row")


@dataclass(frozen=True)
class LoggedDay:
    """All that is known of one day's requests.

    Attributes:
        rows: as `RequestLog.between` says, and the column `segment`.
        segments: the files that were read, by name.
    """

    rows: pa.Table
    segments: tuple[Segment, ...]


class RequestLog:
    """The logged requests of one pipeline.

    Args:
        settings: of the installation.
        pipeline: its name.
    """

    def __init__(self, settings: Settings, pipeline: str) -> None:
        self.folder = settings.request_log_folder / pipeline
        self._lake = Lake.open(pipeline, settings)

    def between(self, start: datetime, end: datetime, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Predictions that were made in a time, in the order of time, request and row.

        A service hands its answers over once a second: what is younger may be missing.

        Args:
            start: first moment, with a time zone.
            end: the moment after the last.
            columns: those that are wanted, the fewer the quicker; default: all.

        Returns:
            One row a prediction: `request_id`, `row` (its place in the request, from 0), `time` (UTC),
            `model_version`, `colour`, `mirrored` (made for a copy of a request: nobody got this answer), `prediction`,
            `key.<name>` (the row's identity as its caller gave it, as text) and `features.<name>`.
        """
        wanted = None if columns is None else [*dict.fromkeys([*columns, *ORDER])]
        inside = (pc.field("time") >= _moment(start)) & (pc.field("time") < _moment(end))
        nothing, found = log_schema((), (), ()).empty_table(), []
        for key in _days(start, end):
            segments = [segment for segment in self.segments(key) if segment.begun < end and segment.end > start]
            found.append(self._logged(key, segments, wanted, inside).rows.filter(inside))
        table = pa.concat_tables([nothing, *found], promote_options="permissive")
        table = table.sort_by([(name, "ascending") for name in ORDER])
        names = columns if columns is not None else [name for name in table.column_names if name != SEGMENT]
        frame: pd.DataFrame = table.select([name for name in names if name in table.column_names]).to_pandas()
        return frame

    def scores(self, version: str, start: datetime, end: datetime) -> list[float]:
        """What a version answered between two moments, the newest answer to each row, in the order of time.

        A caller that asks for one row again and again, as a health checker does, tells no more of a version's scores
        than one that asks once.

        Args:
            version: of the model.
            start: first moment, with a time zone.
            end: the moment after the last.
        """
        answers = self.between(start, end)
        answers = answers[answers["model_version"] == version]
        asked = answers[[name for name in answers.columns if name.startswith(FEATURE)]]
        repeated = hash_pandas_object(asked, index=False).duplicated(keep="last")
        return [float(score) for score in answers.loc[~repeated, "prediction"]]

    def day(self, key: str) -> LoggedDay:
        """One day: what its files hold, and what was published of files that are gone.

        Args:
            key: the day, YYYY-MM-DD in UTC.
        """
        return self._logged(key, self.segments(key))

    def _logged(
        self,
        key: str,
        segments: Sequence[Segment],
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
    ) -> LoggedDay:
        # The files first: one that vanishes meanwhile has been published before.
        found = {segment: table for segment in segments if (table := _read(segment, columns)) is not None}
        pieces = [
            table.append_column(SEGMENT, pa.repeat(segment.path.name, table.num_rows))
            for segment, table in found.items()
        ]
        manifest = self._lake.published(DATASET, key)
        if manifest is not None:
            known = None if columns is None else [name for name in (*columns, SEGMENT) if name in manifest.columns]
            published = self._lake.read(manifest, known, where=where)
            read = pa.array([segment.path.name for segment in found], pa.string())
            pieces.append(published.filter(pc.invert(pc.is_in(published[SEGMENT], read))))
        if not pieces:
            pieces = [log_schema((), (), ()).empty_table().append_column(SEGMENT, pa.array([], pa.string()))]
        return LoggedDay(pa.concat_tables(pieces, promote_options="permissive"), tuple(found))

    def days(self) -> list[str]:
        """Days that have files, in order."""
        return sorted({path.parent.name for path in self.folder.glob(f"*/*{SUFFIX}")})

    def segments(self, key: str) -> list[Segment]:
        """The files of one day, in the order of their time."""
        paths = (self.folder / key).glob(f"*{SUFFIX}")
        return sorted(segment for path in paths if (segment := Segment.at(path)))


def _read(segment: Segment, columns: Sequence[str] | None) -> pa.Table | None:
    """The whole batches of a file that may still be appended to; None where it is gone or has none.

    Raises:
        LakeError: the file was changed after it was written.
    """
    try:
        with pa.memory_map(str(segment.path)) as file:
            table, ended = _whole_batches(file, columns)
            if not ended:
                _see_only_the_end_is_lost(segment, file)
            return table
    except (FileNotFoundError, pa.ArrowInvalid):  # Arrow calls a file invalid that is empty
        return None


def _whole_batches(file: pa.MemoryMappedFile, columns: Sequence[str] | None) -> tuple[pa.Table | None, bool]:
    """The rows up to the first batch that is not whole, and whether the file came to its end without one."""
    batches: list[pa.RecordBatch] = []
    stream = None
    # A stream whose writer lives, or died, ends anywhere: in its header, in a batch, or without an end.
    try:
        schema = pa.ipc.open_stream(file).schema
        fields = [n for n, name in enumerate(schema.names) if columns is None or name in columns]
        file.seek(0)
        stream = pa.ipc.open_stream(file, options=pa.ipc.IpcReadOptions(included_fields=fields))
        while True:
            batches.append(stream.read_next_batch())
    except StopIteration:
        ended = True
    except (pa.ArrowException, OSError):
        ended = False
    return pa.Table.from_batches(batches, stream.schema) if stream and batches else None, ended


def _see_only_the_end_is_lost(segment: Segment, file: pa.MemoryMappedFile) -> None:
    """See that nothing whole comes after what cannot be read: its writer was at its end when it stopped.

    Raises:
        LakeError: it does.
    """
    file.seek(0)
    content = file.read_buffer()
    place = _after_whole_messages(content)
    bytes_ = memoryview(content)[place:].tobytes()
    found = bytes_.find(MESSAGE, 1)
    while found > 0:
        if _is_message(content.slice(place + found)):
            raise LakeError(
                f"{segment.path} was changed after it was written: what lies at byte {place:,} is no logged answer, "
                "and whole ones come after it; restore the file, or move it away: what it holds is then lost, and all "
                "other files are published"
            )
        found = bytes_.find(MESSAGE, found + 1)


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


def _days(start: datetime, end: datetime) -> Iterator[str]:
    day = start.astimezone(UTC).date()
    while datetime.combine(day, time(), UTC) < end:
        yield day.isoformat()
        day += timedelta(days=1)


def _moment(at: datetime) -> pa.Scalar:
    return pa.scalar(at.astimezone(UTC), log_schema((), (), ()).field("time").type)
