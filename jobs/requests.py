"""Publish a day's logged requests as a batch of the lake, and drop the files that the batch now holds.

A file that was damaged is not dropped: what is left of it is published, and the file gets a name that nobody reads.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bentos.segments import SEGMENT_SECONDS, Segment
from jobs.data.request_log import DATASET, ORDER, RequestLog
from jobs.job import Job, Result, run

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.lake import Manifest

FINISHED = timedelta(seconds=SEGMENT_SECONDS + 60)
"""A file that nobody appended to for so long is appended to no more: what it is for was answered long ago."""
ENDED = timedelta(days=2)
"""Nobody begins a file of a day that began longer ago than this."""
SET_ASIDE = ".damaged"
"""Is added to the name of a damaged file whose undamaged rows are published."""


def work(job: Job) -> Result:
    """Publish the logged requests of each day asked for, and of every other day that still has files.

    So a night that was missed is made up for, and a day that is not over may be published again and again.
    """
    reader = RequestLog(job.settings, job.pipeline.name)
    days = [_publish(job, reader, day) for day in sorted({*job.partitions.keys, *reader.days()})]
    published = [day.manifest for day in days if day.manifest]
    rows = sum(manifest.rows for manifest in published)
    named = ", ".join(manifest.partition for manifest in published)
    return Result(
        outputs=published,
        figures={"rows": rows, "days": len(published)},
        sentence=f"{rows:,} logged predictions published: {named}" if published else "no requests were logged",
        warnings=[damage for day in days for damage in day.damage],
    )


@dataclass(frozen=True)
class _Published:
    """What became of one day.

    Attributes:
        manifest: of the batch; None where no request was logged.
        damage: a sentence for each damaged file.
    """

    manifest: Manifest | None
    damage: tuple[str, ...]


def _publish(job: Job, reader: RequestLog, key: str) -> _Published:
    with _alone(reader.folder):
        now = datetime.now(UTC)
        day, manifest = reader.day(key), None
        if day.rows.num_rows:
            rows = day.rows.sort_by([(name, "ascending") for name in ORDER])
            manifest = job.lake.write_table(DATASET, key, rows, {}, job.code_version)
            job.lake.publish(manifest)
            _drop(day.segments, now)
        aside = [_set_aside(segment, now) for segment in day.damaged]
        if now - datetime.fromisoformat(f"{key}T00:00Z") > ENDED and (reader.folder / key).is_dir():
            read = {*day.segments, *day.damaged}
            _drop([segment for segment in reader.segments(key) if segment not in read], now)  # no whole block
            if not any((reader.folder / key).iterdir()):
                (reader.folder / key).rmdir()
        damage = [f"{sentence}{where}" for sentence, where in zip(day.damaged.values(), aside, strict=True)]
        return _Published(manifest, tuple(damage))


def _set_aside(segment: Segment, now: datetime) -> str:
    if not _is_finished(segment, now):
        return ""
    aside = segment.path.with_name(f"{segment.path.name}{SET_ASIDE}")
    segment.path.rename(aside)
    return f", and it is kept as {aside.name}"


def _drop(segments: Iterable[Segment], now: datetime) -> None:
    for segment in segments:
        if _is_finished(segment, now):
            segment.path.unlink()


def _is_finished(segment: Segment, now: datetime) -> bool:
    return datetime.fromtimestamp(segment.path.stat().st_mtime, UTC) + FINISHED < now


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # Two that publish a day at once would each drop files that the other's batch lacks.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "publishing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    run("requests", work)
