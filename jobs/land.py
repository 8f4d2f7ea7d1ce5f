"""Copies what the source has for a day into the lake: the rows to predict, and the labels that have matured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from jobs.data.readers import SourceDay, UnreadableFile, read_day
from jobs.data.reasons import Failure, failure_sentences
from jobs.data.structure import labels_of_day, like_rows, rows_of_day
from jobs.job import Job, Result, run
from jobs.progress import each
from tidewheel.errors import DataRefused, SourceError
from tidewheel.lake import Manifest
from tidewheel.spec.sections import Reader

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Landing:
    """What was staged, and what was refused, of one dataset."""

    days: int
    staged: tuple[Manifest, ...]
    refused: tuple[Failure, ...]
    absent: tuple[Failure, ...]
    empty: tuple[date, ...]

    @property
    def refusals(self) -> list[str]:
        """One sentence for each reason."""
        return failure_sentences(self.refused, self.days)

    @property
    def absences(self) -> list[str]:
        """The same of the days that the source does not have yet."""
        return failure_sentences(self.absent, self.days)


def work(job: Job) -> Result:
    """Stage the rows of the asked days and the labels known by then; what cannot be read goes to quarantine."""
    source, labels = job.pipeline.source, job.pipeline.labels
    may_be_empty = source.empty_days == "skip"
    days = job.partitions.clamp(source.start, source.end)
    if days is None:
        return Result(
            figures={"skipped": True, "rows": 0},
            sentence=f"skipped: the source of {job.pipeline.name} has {source.start or 'anything'} to "
            f"{source.end or 'today'}, nothing for {job.partitions}",
        )
    rows = _land(
        job,
        "landing",
        source.reader,
        days.days,
        lambda day, found: (
            found.table
            if may_be_empty and not found.table.num_rows
            else rows_of_day(found.table, day, job.pipeline.key, source.event_time, found.name)
        ),
    )
    matured = days.back(labels.delay_days).clamp(source.start, source.end)
    known = _land(
        job,
        "labels",
        labels.reader,
        matured.days if matured else [],
        lambda day, found: labels_of_day(
            like_rows(found.table, _landed_key(job, day, rows), found.name),
            job.pipeline.key,
            labels.column,
            job.pipeline.task,
            found.name,
        ),
    )
    staged = [*rows.staged, *known.staged]
    refused = [*rows.refusals, *known.refusals]
    if rows.absent and not refused:
        raise SourceError("\n".join(rows.absences))
    if not staged and not refused:
        sentence = f"skipped: the source of {job.pipeline.name} has no rows for {days}, and no label is known"
        return Result(figures={"skipped": True, "rows": 0}, sentence=sentence)
    counts = {
        "skipped": False,
        "days": len(rows.staged),
        "rows": sum(manifest.rows for manifest in rows.staged),
        "labels": sum(manifest.rows for manifest in known.staged),
        "label_days_without_labels": len(known.absent) + len(known.empty),
        **({"days_without_rows": len(rows.empty)} if may_be_empty else {}),
    }
    return Result(
        inputs=_inputs(staged),
        outputs=staged,
        figures=counts,
        sentence=f"{counts['rows']} rows of {days} and {counts['labels']} labels of {matured or 'no day'}",
        # What is late may come by itself and is tried again; with what was refused somebody has to do something.
        refused=f"{job.pipeline.name}: " + "\n".join([*refused, *rows.absences]) if refused else None,
    )


def _land(
    job: Job, dataset: str, reader: Reader, days: list[date], check: Callable[[date, SourceDay], pa.Table]
) -> _Landing:
    staged: list[Manifest] = []
    refused: list[Failure] = []
    absent: list[Failure] = []
    empty: list[date] = []
    for day in each(days, f"{job.pipeline.name}: {dataset}"):
        try:
            found = read_day(reader, day, job.settings.project, job.pipeline.key)
        except UnreadableFile as error:
            place = job.lake.quarantine_raw(dataset, str(day), error.file.name, error.file.content, str(error))
            refused.append(Failure(str(day), str(error), place))
            continue
        except DataRefused as error:
            refused.append(Failure(str(day), str(error)))
            continue
        except SourceError as error:
            absent.append(Failure(str(day), str(error)))
            continue
        try:
            table = check(day, found)
        except DataRefused as error:
            refused.append(Failure(str(day), str(error), _keep(job, dataset, day, found, str(error))))
            continue
        if table.num_rows == 0:  # labels that nobody knows yet, or a day on which nothing happened
            empty.append(day)
            continue
        staged.append(job.lake.write_table(dataset, str(day), table, found.inputs, job.code_version))
    return _Landing(len(days), tuple(staged), tuple(refused), tuple(absent), tuple(empty))


def _landed_key(job: Job, day: date, rows: _Landing) -> dict[str, str]:
    """Types of the key in the rows of a day, by column: those that this run has staged, else the published ones."""
    staged = {manifest.partition: manifest for manifest in rows.staged}
    landed = staged.get(str(day)) or job.lake.published("landing", str(day))
    return {column: landed.columns[column] for column in job.pipeline.key if column in landed.columns} if landed else {}


def _keep(job: Job, dataset: str, day: date, found: SourceDay, reason: str) -> str:
    """Quarantine what was refused: the source's own files where there are any, else the rows. Returns the URL."""
    if found.files:
        kept = [job.lake.quarantine_raw(dataset, str(day), file.name, file.content, reason) for file in found.files]
        return ", ".join(kept)
    manifest = job.lake.write_table(dataset, str(day), found.table, {}, job.code_version)
    return job.lake.quarantine(manifest, reason, {"source": found.name})


def _inputs(staged: list[Manifest]) -> Mapping[str, str]:
    return {name: content for manifest in staged for name, content in manifest.inputs.items()}


if __name__ == "__main__":
    run("land", work)
