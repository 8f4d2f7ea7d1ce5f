"""Publish a day's logged requests as a batch of the lake, and drop the files that the batch now holds.

The files are those of this machine's services and those that serving pods have shipped to the lake.

A file that was damaged is not dropped: what is left of it is published, and the file gets a name that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from jobs.data.request_log import ANSWERS, COUNTS, RequestLog
from jobs.job import Job, Result, run
from tidewheel.options import RequestsOptions
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from jobs.data.log_files import LogFile
    from jobs.data.request_log import LogKind
    from tidewheel.lake import Manifest

ENDED = timedelta(days=1)
"""Nobody begins a file of a partition that ended longer ago than this."""


def work(job: Job) -> Result:
    """Publish the logged requests of each requested day, and of every other day that still has files.

    So a night that was missed is made up for, and a day that is not over may be published again and again.
    """
    days, counts = (_publish_all(job, _log(job, kind)) for kind in (ANSWERS, COUNTS))
    published = [day.manifest for day in days if day.manifest]
    rows = sum(manifest.rows for manifest in published)
    named = ", ".join(manifest.partition for manifest in published)
    return Result(
        outputs=[*published, *(day.manifest for day in counts if day.manifest)],
        figures={"rows": rows, "days": len(published)},
        sentence=f"{rows:,} logged predictions published: {named}" if published else "no requests were logged",
        warnings=[damage for day in (*days, *counts) for damage in day.damage],
    )


def _log(job: Job, kind: LogKind) -> RequestLog:
    return RequestLog(job.settings, job.pipeline.name, kind, job.pipeline.block)


def _publish_all(job: Job, reader: RequestLog) -> list[_Published]:
    return [_publish(job, reader, day) for day in sorted({*job.partitions.keys, *reader.days()})]


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
    with reader.alone():
        now = datetime.now(UTC)
        day, manifest = reader.day(key), None
        if day.rows.num_rows:
            rows = day.rows.sort_by([(name, "ascending") for name in reader.kind.order])
            manifest = job.lake.write_table(reader.kind.dataset, key, rows, {}, job.code_version)
            job.lake.publish(manifest)
            _drop(day.segments, now)
        aside = [_set_aside(segment, now) for segment in day.damaged]
        if now - datetime.combine(job.pipeline.block.after(day_of(key)), time(), UTC) > ENDED:
            read = {*day.segments, *day.damaged}
            _drop([segment for segment in reader.segments(key) if segment not in read], now)  # no whole block
            for folder in reader.folders(key):
                with suppress(OSError):  # not there, or not empty
                    folder.rmdir()
        damage = [f"{sentence}{where}" for sentence, where in zip(day.damaged.values(), aside, strict=True)]
        return _Published(manifest, tuple(damage))


def _set_aside(segment: LogFile, now: datetime) -> str:
    return f", and it is set aside as {segment.set_aside()}" if segment.is_finished(now) else ""


def _drop(segments: Iterable[LogFile], now: datetime) -> None:
    for segment in segments:
        if segment.is_finished(now):
            segment.remove()


if __name__ == "__main__":
    run(work, RequestsOptions)
