"""Writes the hours of an hourly pipeline's days as batches of these days: what is judged is judged by day.

A day waits until it has all its hours, or for six hours more. An hour that comes later makes its day again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from jobs.data.key_order import in_order, key_order, repeated
from jobs.job import Job, Result, run
from jobs.progress import each
from tidewheel.errors import DataRefused, SpecError
from tidewheel.hours import HOURS, Hour
from tidewheel.lake import Lake, Manifest
from tidewheel.options import CompactOptions
from tidewheel.partitions import HOUR, PartitionRange, day_key, day_of
from tidewheel.quantities import listing, quantity
from tidewheel.runs import SKIPPED
from tidewheel.spec.source_days import source_days
from tidewheel.tracing import step

log = logging.getLogger("tidewheel.compact")
WAIT = 6
"""Hours after its last one that a day waits for those that are missing: a night of repairs, and the day is judged."""
NAMED = 3  # hours, or keys, in a message
LANDING, FEATURES, PREDICTIONS = "landing", "features", "predictions"


@dataclass(frozen=True)
class _HoursOfDay:
    """A day and the published batches of its hours, by dataset and key."""

    day: date
    there: Mapping[str, Mapping[str, Manifest]]
    is_made: bool
    """Whether the day's own batches have been written before."""

    @property
    def missing(self) -> list[str]:
        """Keys of the hours without features."""
        hours = HOUR.of_blocks(PartitionRange(self.day, self.day))
        return [key for key in hours.keys if key not in self.there[FEATURES]]

    @property
    def unscored(self) -> list[str]:
        """Keys of the hours with features and without predictions, from the first that has predictions on."""
        scored = self.there[PREDICTIONS]
        return [key for key in sorted(self.there[FEATURES]) if scored and key > min(scored) and key not in scored]


@dataclass
class _Compacted:
    """What was done, for the record."""

    days: list[str] = field(default_factory=list)
    batches: list[Manifest] = field(default_factory=list)
    written: int = 0
    waiting: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


def work(job: Job[CompactOptions]) -> Result:
    """Write each day that has all its hours, and each that has waited long enough for those that are missing."""
    if job.pipeline.partition is not HOUR:
        raise SpecError(f"{job.pipeline.name}: a partition of it is a {job.pipeline.partition}; there are no hours")
    days = source_days(job.pipeline.source, job.partitions)
    if days is None:
        return Result(figures={SKIPPED: True}, sentence=f"skipped: the source has nothing for {job.partitions}")
    done, newest = _Compacted(), max(str(days.last), job.lake.newest(LANDING, HOUR) or "")
    for hours in each(_days(job, days), f"{job.pipeline.name}: compacting", "days"):
        _compact(job, hours, newest, done)
    rows = sum(manifest.rows for manifest in done.batches if manifest.dataset == LANDING)
    return Result(
        inputs={key: value for manifest in done.batches for key, value in manifest.inputs.items()},
        outputs=done.batches,
        figures={
            SKIPPED: False,
            "days": len(done.days),
            "rows": rows,
            "batches_written": done.written,
            "days_that_wait": len(done.waiting),
            "days_with_gaps": len(done.gaps),
        },
        sentence="; ".join([*_made(done.days, rows), *done.waiting]) or "no hour has features",
        warnings=done.gaps,
    )


def _days(job: Job[CompactOptions], hours: PartitionRange) -> list[_HoursOfDay]:
    """The days that the hours lie in; and those before them that wait, and may have waited long enough by now."""
    dataset = PREDICTIONS if job.options.scored else FEATURES  # what this run is the last to write
    made, first = job.lake.newest(dataset) or "", str(hours.blocks.first)
    waiting = {day_of(day) for key in job.lake.keys(dataset, HOUR) if made < (day := day_key(key)) < first}
    found = (_hours_of(job.lake, day) for day in sorted({*waiting, *hours.blocks.days}))
    return [hours_of_day for hours_of_day in found if hours_of_day.there[FEATURES]]


def _hours_of(lake: Lake, day: date) -> _HoursOfDay:
    keys = HOUR.of_blocks(PartitionRange(day, day)).keys
    there = {
        dataset: {key: manifest for key in keys if (manifest := lake.published(dataset, key)) is not None}
        for dataset in (LANDING, FEATURES, PREDICTIONS)
    }
    return _HoursOfDay(day, there, lake.published(FEATURES, str(day)) is not None)


def _compact(job: Job[CompactOptions], hours: _HoursOfDay, newest: str, done: _Compacted) -> None:
    """Write a day, or say what it waits for.

    Args:
        job: of this run.
        hours: of the day.
        newest: key of the newest hour that was landed.
        done: what was done; this is added to it.
    """
    day, last = str(hours.day), Hour.last_of(hours.day)
    # A backfill lands the hours of a day that is long over one by one: it is made once, with the last of them.
    reached = newest if hours.is_made else str(job.partitions.last)
    is_over, is_late = not hours.missing or reached >= str(last), newest >= str(HOUR.after(last, WAIT))
    missing = hours.missing if job.pipeline.source.empty_days == "refuse" else []
    if not is_over or (missing and not hours.is_made and not is_late):
        which = missing if is_over else [key for key in hours.missing if key <= newest]
        late = f"; missing: {listing(which, NAMED)}" if which else ""
        done.waiting.append(f"{day} has {len(hours.there[FEATURES])} of {HOURS} hours{late}")
        return
    unscored = hours.unscored if job.options.scored else []
    if max(hours.there[FEATURES]) in unscored and not is_late:
        done.waiting.append(f"{day} waits for the predictions of {max(unscored)}")
        return
    if missing:
        done.gaps.append(
            f"{day} is judged without {quantity(len(missing), 'hour')} ({listing(missing, NAMED)}); run "
            f"{job.pipeline.name}.features for {missing[0]} when the source has it: that makes the day again"
        )
    if unscored:
        done.gaps.append(
            f"{day} is judged without the predictions of {quantity(len(unscored), 'hour')} "
            f"({listing(unscored, NAMED)}); run {job.pipeline.name}.scoring for {unscored[0]}: that makes the day again"
        )
    made_from: dict[str, str] = {}
    for dataset in (LANDING, FEATURES, *([PREDICTIONS] if job.options.scored else [])):
        # Rows without features are in no batch of the day: what is judged is what could be predicted.
        parts = [part for key, part in sorted(hours.there[dataset].items()) if key in hours.there[FEATURES]]
        if parts:
            manifest, is_new = _day_batch(job, dataset, day, parts, made_from)
            if dataset == FEATURES:  # so predictions say which they are of, as those of a daily pipeline do
                made_from = {manifest.key: manifest.content_hash}
            done.batches.append(manifest)
            done.written += is_new
    done.days.append(day)


def _day_batch(
    job: Job, dataset: str, day: str, parts: Sequence[Manifest], made_from: Mapping[str, str]
) -> tuple[Manifest, bool]:
    """The published batch of a day, and whether it had to be written.

    Args:
        job: of this run.
        dataset: of the batch.
        day: its key.
        parts: the batches of its hours.
        made_from: content of the other batches of the day that it names, by key.
    """
    content = {**{part.key: part.content_hash for part in parts}, **made_from}
    before = job.lake.published(dataset, day)
    if before and content == {
        key: value for key, value in before.inputs.items() if key in made_from or key.startswith(f"{dataset}/{day}T")
    }:
        return before, False
    with step("read", dataset=dataset, day=day):
        table = _in_one_table(job.lake, parts, f"{dataset} of {day}")
    key = job.pipeline.key
    order = key_order(table, key)
    if (twice := repeated(table.select(key), order)).num_rows:
        found = ", ".join(str(tuple(row.values())) for row in twice.slice(0, NAMED).to_pylist())
        raise DataRefused(
            f"{job.pipeline.name}: {dataset} of {day}: {quantity(twice.num_rows, 'row')} have a key that comes in "
            f"several hours (for example {found}); rule: a key names one row of a day, since labels come by day; add "
            f"what tells the hours apart to source.entity_key ({', '.join(key)})"
        )
    inputs = {name: value for part in parts for name, value in part.inputs.items() if name != "model"}
    with step("write", dataset=dataset, day=day):
        manifest = job.lake.write_table(dataset, day, in_order(table, order), inputs | content, job.code_version)
        job.lake.publish(manifest)
    return manifest, True


def _in_one_table(lake: Lake, parts: Sequence[Manifest], what: str) -> pa.Table:
    try:
        return lake.read_all(parts)
    except pa.ArrowException as error:
        raise DataRefused(
            f"{what}: its hours have columns of types that do not go together ({error}); land them again in one range, "
            f"{parts[0].partition}..{parts[-1].partition}"
        ) from error


def _made(days: Sequence[str], rows: int) -> list[str]:
    if not days:
        return []
    return [f"{quantity(rows, 'row')} of {quantity(len(days), 'day')} in one batch each: {listing(days, NAMED)}"]


if __name__ == "__main__":
    run(work, CompactOptions)
