"""Computes the features of one or more days in one Spark run, and stages one batch a day.

Later days that look back on what has been corrected since are computed again in the same run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.data.batch_writer import PLACE, ROWS_PER_FILE, BatchWriter
from jobs.data.code_reference import resolve
from jobs.data.column_names import OURS, PARTITION
from jobs.data.declared_columns import declared_columns, spark_errors
from jobs.data.executors import executors
from jobs.data.feature_inputs import FeatureInputs, column, label_columns, label_sentence, read_manifests
from jobs.data.reasons import alike
from jobs.data.spark import spark_session
from jobs.data.staleness import (
    changed_batches,
    gaps,
    gaps_sentence,
    inputs_of,
    known_labels,
    recomputed_sentence,
    stale_after,
)
from jobs.data.weight_rules import refuse_day_without_weight
from jobs.job import Job, Result, run
from tidewheel.errors import DataRefused, SpecError
from tidewheel.lake import Lake, Manifest
from tidewheel.options import FeaturesOptions
from tidewheel.partitions import PartitionRange, day_ranges
from tidewheel.quantities import quantity
from tidewheel.runs import SKIPPED, read_record
from tidewheel.spec import Pipeline
from tidewheel.spec.source_days import source_days
from tidewheel.tracing import step

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("tidewheel.features")


def work(job: Job) -> Result:
    """Call the pipeline's transform on the published rows and labels, and stage its result day by day."""
    days = source_days(job.pipeline.source, job.partitions)
    if days is None or read_record(job.lake, job.run_id, "land").figures.get(SKIPPED):
        return Result(figures={SKIPPED: True, "rows": 0}, sentence="skipped: nothing was landed")
    there = _landed(job, days)
    stale = stale_after(job.lake, job.pipeline, days)
    for group in alike(stale, lambda later: tuple(later.changed)):
        which = ", ".join(day_ranges([later.day for later in group], days.unit))
        log.info("%s is computed again: %s changed since", which, ", ".join(group[0].changed))
    requested = [*there, *(later.day for later in stale)]
    if not requested:
        return Result(figures={SKIPPED: True, "rows": 0}, sentence=f"skipped: the source has no rows for {days}")
    with step("read"):
        landing, labels = _inputs(job.lake, job.pipeline, requested)
    read = sum(m.rows for m in landing.values())
    spread = executors(job.pipeline, job.name, job.settings, read)
    name = f"{job.pipeline.name}.features"
    with step("start Spark"):
        spark = spark_session(job.settings, name, read, spread, job.pipeline.spark.options)
    try:
        staged = build(spark, job, requested, landing, labels)
    finally:
        spark.stop()
    rows = sum(manifest.rows for manifest in staged)
    inputs = {manifest.key: manifest.content_hash for manifest in (*landing.values(), *labels.values())}
    missing = gaps(job.pipeline, days, inputs)
    if missing:
        log.warning("%s of %s%s", job.pipeline.name, days, gaps_sentence(missing))
    return Result(
        inputs=inputs,
        outputs=staged,
        figures={
            SKIPPED: False,
            "days": len(staged),
            "rows": rows,
            "look_back_days": len(landing) - len(staged),
            "look_back_batches_missing": len(missing),
            "recomputed_days": len(stale),
            **({"recomputed": ", ".join(str(later.day) for later in stale)} if stale else {}),
            **({"recomputed_because_of": ", ".join(changed_batches(stale))} if stale else {}),
        },
        sentence=f"features of {quantity(rows, 'row')} of {days}, from {quantity(len(landing), days.unit)} of rows and "
        f"{len(labels)} of labels" + recomputed_sentence(stale, days.unit) + gaps_sentence(missing),
    )


def _landed(job: Job, days: PartitionRange) -> list[date]:
    """The days to compute: all of them, unless the source may have days without rows."""
    if job.pipeline.source.empty_days == "refuse":
        return days.days
    outputs = read_record(job.lake, job.run_id, "land").outputs
    landed = {output.partition for output in outputs if output.dataset == "landing"}
    return [day for day in days.days if str(day) in landed]


def build(
    spark: SparkSession,
    job: Job,
    days: Sequence[date],
    landing: Mapping[str, Manifest],
    labels: Mapping[str, Manifest],
) -> list[Manifest]:
    """Compute, write and stage the features of some days.

    Args:
        spark: the session.
        job: pipeline, lake and code version.
        days: the days to compute, oldest first, all of them in `landing`.
        landing: batches of rows by day, of these days and the look-back.
        labels: batches of labels by day.

    Returns:
        One staged manifest a day.

    Raises:
        SpecError: the transform's result has not the declared columns in types of theirs, or not each row once.
        DataRefused: a numeric feature holds a value that is no number, or a weight is none.
    """
    rows = read_manifests(spark, job.lake, list(landing.values()), T.StructType([]))
    key_and_label = [rows.schema[name] for name in job.pipeline.key if name in rows.columns]
    key_and_label.append(T.StructField(job.pipeline.labels.column, _label_type(job.pipeline)))
    if leaks := label_columns(rows.columns, job.pipeline):
        log.warning("%s: %s", job.pipeline.name, label_sentence(leaks))
        rows = rows.drop(*leaks)
    known = read_manifests(spark, job.lake, list(labels.values()), T.StructType(key_and_label))
    transform = resolve(job.pipeline.features.transform)
    span = PartitionRange(days[0], days[-1], job.pipeline.partition)
    with spark_errors(job.pipeline.features.transform, rows):
        returned = transform(FeatureInputs(spark, job.pipeline, span, rows, known))
        frame = declared_columns(returned, rows, job.pipeline)
        if len(days) < len(span.days):
            frame = frame.where(F.col(PARTITION).isin([str(day) for day in days]))
        with step("compute and write", rows=sum(manifest.rows for manifest in landing.values())):
            paths = _written(job, frame, landing)
    return _staged(job, paths, days, landing, labels)


def _label_type(pipeline: Pipeline) -> T.DataType:
    """Spark's type of the labels where no day has any."""
    texts = [name for name in pipeline.labels.classes if isinstance(name, str)]
    return T.StringType() if texts else T.LongType()


def _inputs(lake: Lake, pipeline: Pipeline, days: Sequence[date]) -> tuple[dict[str, Manifest], dict[str, Manifest]]:
    """Published rows and labels by day. The requested days must be there; of the look-back, whatever is."""
    reach = PartitionRange(days[0], days[-1], pipeline.partition).look_back(pipeline.features.look_back_days)
    landing = {key: lake.published("landing", key) for key in reach.keys}
    for key in map(str, days):
        landing[key] = landing[key] or lake.need("landing", key)
    labels = {key: lake.published("labels", key) for key in known_labels(pipeline, reach)}
    return {k: m for k, m in landing.items() if m}, {k: m for k, m in labels.items() if m}


def _written(job: Job, frame: DataFrame, landing: Mapping[str, Manifest]) -> dict[str, list[str]]:
    """Write one file a day, or several of a large day, sorted by key: the same rows give the same bytes.

    Returns:
        Paths of the files, by day.
    """
    key = job.pipeline.key
    files = {day: -(-manifest.rows // ROWS_PER_FILE) for day, manifest in landing.items()}
    number = F.lit(0)
    for count in sorted(set(files.values()) - {1}):
        days = [day for day, needed in files.items() if needed == count]
        share = F.pmod(F.xxhash64(*map(column, key)), F.lit(count))
        number = F.when(F.col(PARTITION).isin(days), share).otherwise(number)
    place = F.concat_ws("-", F.col(PARTITION), F.format_string("%05d", number.cast("int"))).alias(PLACE)
    names = [name for name in frame.columns if name != PARTITION]
    by_position = {name: f"{OURS}{position}" for position, name in enumerate(names)}
    placed = frame.select(place, *(column(name).alias(ours) for name, ours in by_position.items()))
    in_order = placed.repartition(PLACE).sortWithinPartitions(PLACE, *(by_position[name] for name in key))
    writer = BatchWriter(
        job.settings.lake_root,
        job.settings.lake_options,
        job.lake.fresh_folder("features"),
        tuple(names),
        frozenset(set(job.pipeline.feature_columns) - set(job.pipeline.features.categorical)),
    )
    answers = in_order.mapInArrow(writer.__call__, "place string, path string, rows long, problem string")
    paths: dict[str, list[str]] = {}
    for row in answers.sort("place").collect():
        if row.problem:
            raise DataRefused(f"{job.pipeline.features.transform}, {row.place.rsplit('-', 1)[0]}: {row.problem}")
        paths.setdefault(row.place.rsplit("-", 1)[0], []).append(row.path)
    return paths


@step("compare with what was landed")
def _staged(
    job: Job,
    paths: Mapping[str, list[str]],
    days: Sequence[date],
    landing: Mapping[str, Manifest],
    labels: Mapping[str, Manifest],
) -> list[Manifest]:
    there = {manifest.key: manifest.content_hash for manifest in (*landing.values(), *labels.values())}
    staged = []
    for day in days:
        key = str(day)
        inputs = {name: there[name] for name in inputs_of(job.pipeline, day) if name in there}
        found = job.lake.stage("features", key, paths[key], inputs, job.code_version) if key in paths else None
        if found is None or found.rows != landing[key].rows:
            raise SpecError(
                f"{job.pipeline.features.transform} returned {found.rows if found else 0} rows for {key}, landed were "
                f"{landing[key].rows}; expected each row once"
            )
        same = [*job.pipeline.key, job.pipeline.source.event_time]
        if not _same_rows(job.lake.read(found, same), job.lake.read(landing[key], same), job.pipeline.key):
            raise SpecError(
                f"{job.pipeline.features.transform} returned rows for {key} whose {', '.join(same)} were not landed; "
                "expected each row once, with its key and its event time as they were"
            )
        if (weight := job.pipeline.training.sample_weight) is not None:
            refuse_day_without_weight(job.lake.read(found, [weight]).to_pandas()[weight], key, job.pipeline.name)
        staged.append(found)
    return staged


def _same_rows(one: pa.Table, other: pa.Table, key: Sequence[str]) -> bool:
    """Whether two tables hold the same rows, each as often, in any order."""
    one = one.select(other.column_names).cast(other.schema)
    if one.equals(other):  # in one file both are in the order of the key
        return True
    order = [(name, "ascending") for name in key]
    return bool(one.sort_by(order).equals(other.sort_by(order)))


if __name__ == "__main__":
    run(work, FeaturesOptions)
