"""Copies what the source has for a day into the lake: the rows to predict, and the labels that have matured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pyarrow as pa

from jobs.data.column_names import check_names
from jobs.data.day_types import DayTypes, ReadAsText, check_around
from jobs.data.published_types import Schemas, newest_types
from jobs.data.readers import SourceDay, UnreadableFile, read_day
from jobs.data.reasons import DayProblem, Failure, failure_sentences, reason_of
from jobs.data.staleness import look_back_in
from jobs.data.structure import LabelRules, labels_of_day, like_rows, rows_of_day
from jobs.job import Job, Result, run
from jobs.progress import each
from tidewheel.errors import DataRefused, LakeError, SourceError, SpecError, UsageError, did_you_mean
from tidewheel.lake import Manifest
from tidewheel.options import LandOptions
from tidewheel.partitions import Partitioning, PartitionRange, day_of
from tidewheel.quantities import quantity
from tidewheel.runs import SKIPPED
from tidewheel.spec.sections import Reader
from tidewheel.spec.source_days import source_days, source_days_in_words
from tidewheel.tracing import step

log = logging.getLogger("tidewheel.land")


@dataclass
class _Landing:
    """What was staged and what was refused of one dataset, and what its columns have turned out to be."""

    types: DayTypes
    days: int = 0
    staged: dict[date, Manifest] = field(default_factory=dict)
    schemas: dict[date, pa.Schema] = field(default_factory=dict)
    refused: list[Failure] = field(default_factory=list)
    absent: list[Failure] = field(default_factory=list)
    empty: list[date] = field(default_factory=list)

    @property
    def refusals(self) -> list[str]:
        """One sentence for each reason."""
        return failure_sentences(self.refused, self.days)

    @property
    def absences(self) -> list[str]:
        """The same of the days that the source does not have yet."""
        return failure_sentences(self.absent, self.days)


def work(job: Job[LandOptions]) -> Result:
    """Stage the rows of the requested days and the labels known by then; what cannot be read goes to quarantine."""
    source, labels = job.pipeline.source, job.pipeline.labels
    may_be_empty = source.empty_days == "skip"
    days = source_days(source, job.partitions)
    if days is None:
        return Result(
            figures={SKIPPED: True, "rows": 0},
            sentence=f"skipped: the source of {job.pipeline.name} has {source_days_in_words(source)}, nothing for "
            f"{job.partitions}",
        )
    _refuse_mixed_units(job)
    if not job.options.unfinished:
        _refuse_unfinished(days, datetime.now(UTC))
    read_rows = _DatasetReading(
        job,
        "landing",
        source.reader,
        lambda day, found: (
            found.table
            if may_be_empty and not found.table.num_rows
            else rows_of_day(found.table, day, job.pipeline.key, source.event_time, found.name, days.unit)
        ),
    )
    rows = _land(read_rows, days, _types(job, "landing", days, exempt=[source.event_time]))
    # The labels of an hourly pipeline come by day: with the last hour of the day on which they may be used.
    known_on = days.ended_blocks
    matured = source_days(source, known_on.back(labels.delay_days)) if known_on else None
    least = 0 if job.pipeline.task == "regression" and job.pipeline.loss.name == "poisson" else None
    rules = LabelRules(labels.column, job.pipeline.task, labels.classes, least)
    read_labels = _DatasetReading(
        job,
        "labels",
        labels.reader,
        lambda day, found: labels_of_day(
            like_rows(found.table, _landed_key(job, day, rows), found.name), job.pipeline.key, rules, found.name
        ),
    )
    known = _land(read_labels, matured, _types(job, "labels", matured, exempt=[*job.pipeline.key, labels.column]))
    staged = [*rows.staged.values(), *known.staged.values()]
    refused = [*rows.refusals, *known.refusals]
    if rows.absent and not refused:
        raise SourceError("\n".join(rows.absences))
    if not staged and not refused:
        sentence = f"skipped: the source of {job.pipeline.name} has no rows for {days}, and no label is known"
        return Result(figures={SKIPPED: True, "rows": 0}, sentence=sentence)
    counts = {
        SKIPPED: False,
        "days": len(rows.staged),
        "rows": sum(manifest.rows for manifest in rows.staged.values()),
        "labels": sum(manifest.rows for manifest in known.staged.values()),
        "label_days_without_labels": len(known.absent) + len(known.empty),
        **({"days_without_rows": len(rows.empty)} if may_be_empty else {}),
    }
    return Result(
        inputs=_inputs(staged),
        outputs=staged,
        figures=counts,
        sentence=f"{quantity(counts['rows'], 'row')} of {days}"
        + (f" and {quantity(counts['labels'], 'label')} of {matured}" if matured else "; no labels are due"),
        # What is late may come by itself and is tried again; with what was refused somebody has to do something.
        refused=f"{job.pipeline.name}: " + "\n".join([*refused, *rows.absences]) if refused else None,
    )


def _refuse_unfinished(days: PartitionRange, now: datetime) -> None:
    """See that a range of days is over: what is landed of a day that is not would be taken for all of it.

    Raises:
        UsageError: it is not.
    """
    ended = days.unit.last_ended(now)
    if days.last <= ended:
        return
    which = f"the week of {days.last}" if days.unit is Partitioning.WEEK else str(days.last)
    state = "is not over" if days.last <= days.unit.holding(now) else "has not begun"
    over = f"end the range on {ended}, or " if days.first <= ended else ""
    raise UsageError(
        f"{which} {state}: it is {now:%Y-%m-%d %H:%M} (UTC), so the source has a part of its rows at most; {over}"
        f"run this again when the {days.unit} is over (in Airflow: clear the task). To land what there is now, switch "
        'on `Unfinished day` in the form, pass {"unfinished": true} as the run\'s configuration, or --unfinished to '
        "jobs.land"
    )


def _refuse_mixed_units(job: Job) -> None:
    """See that a lake that is to hold hours, days or weeks holds nothing else.

    Raises:
        SpecError: it does.
    """
    unit, hour = job.pipeline.partition, job.lake.newest("landing", Partitioning.HOUR)
    there: Partitioning = Partitioning.DAY
    other: str | None = None
    if hour and unit is not Partitioning.HOUR:
        there, other = Partitioning.HOUR, hour
    elif unit is Partitioning.WEEK:
        landed = job.lake.partitions("landing")
        other = next((key for key in landed if str(unit.holding(day_of(key))) != key), None)
    elif unit is Partitioning.HOUR and not hour:  # else its days were made of hours
        other = job.lake.newest("landing")
    if other is not None:
        raise SpecError(
            f"{job.pipeline.name}: `partition: {unit}`, but its lake holds {there}s, for example {other}: a pipeline "
            f"does not change its unit; declare the one by {unit} under a name of its own"
        )


def _types(job: Job, dataset: str, days: PartitionRange | None, exempt: list[str]) -> DayTypes:
    """What is known of a dataset's columns before the first of some days is read."""
    source, labels = job.pipeline.source, job.pipeline.labels
    section = source if dataset == "landing" else labels
    return DayTypes(
        section="source" if dataset == "landing" else "labels",
        declared=section.types,
        published=newest_types(job.lake, dataset, days) if days else {},
        landed={},
        rewritable=getattr(section.reader, "kind", "") == "csv",
        exempt=exempt,
    )


@dataclass(frozen=True)
class _DatasetReading:
    """How the days of a dataset are read and checked."""

    job: Job[LandOptions]
    dataset: str
    reader: Reader
    check: Callable[[date, SourceDay], pa.Table]


def _land(reading: _DatasetReading, days: PartitionRange | None, types: DayTypes) -> _Landing:
    """Stage some days, one after the other.

    Where a later day of them shows that a column is wider than an earlier one had it, or is text, the earlier is read
    again, so that all days of a run have one type.
    """
    job, dataset = reading.job, reading.dataset
    requested = days.days if days else []
    landing = _Landing(types, len(requested))
    for day in each(requested, f"{job.pipeline.name}: {dataset}", f"{job.pipeline.partition}s"):
        _land_day(reading, day, landing, landing.types)
    for day in [day for day in landing.staged if landing.types.differs(landing.schemas[day])]:
        del landing.staged[day]
        _land_day(reading, day, landing, landing.types)
    landing.staged = dict(sorted(landing.staged.items()))
    for name in types.declared:
        if landing.staged and not any(name in schema.names for schema in landing.schemas.values()):
            hint = did_you_mean(name, next(iter(landing.schemas.values())).names)
            log.warning("%s.types declares column %s, which no day of %s has%s", types.section, name, days, hint)
    reach = look_back_in(days.unit, job.pipeline) if days else 0
    if days and (wrong := check_around(job.lake, dataset, days, reach, landing.types, list(landing.staged.values()))):
        landing.refused.append(Failure(str(days), DayProblem("", wrong)))
        landing.staged.clear()
    return landing


def _land_day(reading: _DatasetReading, day: date, landing: _Landing, types: DayTypes) -> None:
    job, dataset = reading.job, reading.dataset
    source_day: SourceDay | None = None
    try:
        with step("read", dataset=dataset, day=str(day)):
            source_day = read_day(
                reading.reader, day, job.settings.project, types.to_read(job.pipeline.key), types.section
            )
        check_names(source_day.table.column_names, source_day.name)
        typed = replace(source_day, table=types.bring(source_day.table, source_day.name))
        table = reading.check(day, typed)
    except ReadAsText as again:
        _land_day(reading, day, landing, types.as_text(again.column))
    except UnreadableFile as error:
        place = job.lake.quarantine_raw(dataset, str(day), error.file.name, error.file.content, str(error))
        landing.refused.append(Failure(str(day), error.reason, place))
    except DataRefused as error:
        place = _keep(job, dataset, day, source_day, str(error)) if source_day else ""
        landing.refused.append(Failure(str(day), reason_of(error), place))
    except SourceError as error:
        landing.absent.append(Failure(str(day), reason_of(error)))
    else:
        if table.num_rows == 0:  # labels that nobody knows yet, or a day on which nothing happened
            landing.empty.append(day)
            return
        landing.types = types.after(table, source_day.name)
        landing.schemas[day] = table.schema
        with step("write", dataset=dataset, day=str(day)):
            landing.staged[day] = job.lake.write_table(dataset, str(day), table, source_day.inputs, job.code_version)


def _landed_key(job: Job, day: date, rows: _Landing) -> dict[str, pa.DataType]:
    """Types of the key in the rows of a day: those that this run has staged, else the published ones.

    Labels of a day without rows have the key's newest types, so that rows that come later meet them.
    """
    landed = rows.staged.get(day) or job.lake.published("landing", str(day))
    if landed:
        schema = Schemas(job.lake).of(landed)
        return {name: schema.field(name).type for name in job.pipeline.key if name in schema.names}
    known = {name: now.kind for name, now in {**rows.types.published, **rows.types.landed}.items()}
    return {name: known[name] for name in job.pipeline.key if name in known}


def _keep(job: Job, dataset: str, day: date, source_day: SourceDay, reason: str) -> str:
    """Quarantine what was refused: the source's own files where there are any, else the rows. Returns the URL."""
    if source_day.files:
        paths = [
            job.lake.quarantine_raw(dataset, str(day), file.name, file.content, reason) for file in source_day.files
        ]
        return ", ".join(paths)
    try:
        manifest = job.lake.write_table(dataset, str(day), source_day.table, {}, job.code_version)
    except (pa.ArrowException, LakeError) as error:  # what Parquet cannot hold either
        return f"no file, {error}"
    return job.lake.quarantine(manifest, reason, {"source": source_day.name})


def _inputs(staged: list[Manifest]) -> Mapping[str, str]:
    return {name: content for manifest in staged for name, content in manifest.inputs.items()}


if __name__ == "__main__":
    run(work, LandOptions)
