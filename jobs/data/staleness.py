"""Which batches a day's features are made from, which of these are not there, and which have changed since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from tidewheel.hours import HOURS
from tidewheel.lake.published import all_published
from tidewheel.partitions import DAY, Partitioning, PartitionRange, day_key, partition_of
from tidewheel.quantities import listing, quantity

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

NAMED = 3  # examples given in a sentence


@dataclass(frozen=True)
class StaleDay:
    """A published day of features that was made from other rows or labels than are published now.

    Attributes:
        day: the day.
        changed: keys of the batches that have come, or have changed, since.
    """

    day: date
    changed: Sequence[str]


def inputs_of(pipeline: Pipeline, day: date) -> list[str]:
    """Keys (`dataset/partition`) of the batches that features look at: rows, and labels known by then.

    Args:
        pipeline: says how far back they look.
        day: the partition; of an hourly pipeline an hour, or a day, whose features are those of its hours.
    """
    unit = pipeline.partition
    own = PartitionRange(unit.holding(day), day if isinstance(day, datetime) else unit.ending(day), unit)
    seen = own.look_back(pipeline.features.look_back_days)
    return _read_of(pipeline, seen)


def _read_of(pipeline: Pipeline, seen: PartitionRange) -> list[str]:
    """Keys of the rows of some partitions, and of the labels that are known when the last one's features are made."""
    return [*(f"landing/{key}" for key in seen.keys), *(f"labels/{key}" for key in known_labels(pipeline, seen))]


def known_labels(pipeline: Pipeline, seen: PartitionRange) -> list[str]:
    """Keys of the labels of some partitions that are known when features of the last of them are computed.

    Those of an hourly pipeline are landed with a day's last hour, so its hours know those of one day less.
    """
    hourly = seen.unit is Partitioning.HOUR
    newest = seen.unit.block.before(seen.blocks.last, pipeline.labels.delay_days + hourly)
    return [key for key in seen.blocks.keys if key <= str(newest)]


def look_back_in(unit: Partitioning, pipeline: Pipeline) -> int:
    """How far back features look, in the unit of data or in that of its labels."""
    reach = pipeline.features.look_back_days
    return reach if unit is pipeline.partition else -(-reach // HOURS)


def gaps(pipeline: Pipeline, days: PartitionRange, there: Collection[str]) -> list[str]:
    """Keys of the batches that features of some days look at and that are not there.

    What lies before the source's start, or before the first rows there are, is no gap: nothing was ever there.

    Args:
        pipeline: says how far back features look.
        days: the requested days.
        there: keys of the batches that are there.
    """
    seen = days.look_back(pipeline.features.look_back_days)
    needed = set(_read_of(pipeline, seen))
    landed = sorted(key.split("/")[1] for key in needed & set(there) if key.startswith("landing/"))
    began = pipeline.source.start
    start = str(days.unit.holding(began)) if began else (landed[0] if landed else str(days.first))
    begin = {"landing": start, "labels": day_key(start)}
    missing = [key for key in needed - set(there) if key.split("/")[1] >= begin[key.split("/")[0]]]
    if pipeline.source.empty_days == "skip":  # of a day without rows neither rows nor labels are missing
        with_rows = {f"labels/{day_key(key)}" for key in landed}
        missing = [key for key in missing if key in with_rows]
    return sorted(missing)


def changed_inputs(pipeline: Pipeline, features: Manifest, published: Mapping[str, str]) -> list[str]:
    """Keys of the rows and labels that have come, or have changed, since a day's features were made from them.

    Args:
        pipeline: says what features look at.
        features: the manifest of the day's features.
        published: content hashes of what is published now, by key.
    """
    looked_at = inputs_of(pipeline, partition_of(features.partition))
    return [key for key in looked_at if key in published and published[key] != features.inputs.get(key)]


def stale_after(lake: Lake, pipeline: Pipeline, days: PartitionRange) -> list[StaleDay]:
    """The published days of features after some days that look back as far as these, and are stale.

    Only manifests are read: whichever process was killed, and wherever, the days still to be done are seen again.

    Args:
        lake: the pipeline's lake.
        pipeline: says how far back features look.
        days: days whose rows and labels may have been landed again.
    """
    newest = lake.newest("features", days.unit)
    if newest is None or newest <= str(days.last):  # every plain night ends here
        return []
    reach = days.look_ahead(pipeline.features.look_back_days)
    later = (lake.published("features", key) for key in reach.keys if str(days.last) < key <= newest)
    return _stale(lake, pipeline, [manifest for manifest in later if manifest is not None])


def stale_days(lake: Lake, pipeline: Pipeline, data: TrainingData) -> list[date]:
    """The days of a training whose features were made from other rows or labels than are published now."""
    days = sorted([*data.training, *data.holdout], key=lambda labelled: labelled.day)
    features = (lake.manifest(day.features.dataset, day.features.partition, day.features.content_hash) for day in days)
    return [stale.day for stale in _stale(lake, pipeline, list(features))]


def _stale(lake: Lake, pipeline: Pipeline, features: Sequence[Manifest]) -> list[StaleDay]:
    days = [partition_of(manifest.partition) for manifest in features]
    needed = {key for day in days for key in inputs_of(pipeline, day)}
    published = {key: manifest.content_hash for key, manifest in all_published(lake, sorted(needed)).items()}
    changed = [changed_inputs(pipeline, manifest, published) for manifest in features]
    return [StaleDay(day, keys) for day, keys in zip(days, changed, strict=True) if keys]


def recomputed_sentence(stale: Sequence[StaleDay], unit: Partitioning = DAY) -> str:
    """What to tell of days that are computed again; empty where none are."""
    if not stale:
        return ""
    days = listing([str(day.day) for day in stale], NAMED)
    return (
        f"; {quantity(len(stale), f'later {unit}')} computed again ({days}), since they look back on what has changed: "
        f"{listing(changed_batches(stale), NAMED)}"
    )


def changed_batches(stale: Iterable[StaleDay]) -> list[str]:
    """Keys of all batches that have made days stale, in order."""
    return sorted({key for day in stale for key in day.changed})


def gaps_sentence(missing: Sequence[str]) -> str:
    """What to tell of gaps; empty where there are none."""
    if not missing:
        return ""
    return (
        f"; missing: {listing(missing, NAMED)}. What these features say of the past lacks it until it is landed and "
        "the days are built again"
    )


def stale_sentence(pipeline: Pipeline, days: Sequence[date]) -> str:
    """What to tell of stale days; empty where there are none."""
    if not days:
        return ""
    return (
        f"; {len(days)} of these {pipeline.block}s look back on rows or labels that have been corrected since "
        f"({listing([str(day) for day in days], NAMED)}): run {pipeline.name}.features again from {days[0]} to "
        f"{days[-1]}, then train again"
    )
