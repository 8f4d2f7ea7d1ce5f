"""The features of one day for a team's tests: from the source, by the jobs themselves, without a platform."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from jobs import features, land
from jobs.checking.scratch import carried_out, scratch_settings
from jobs.checking.source import require_day
from jobs.job import Job, OptionsT
from tidewheel.errors import DataRefused
from tidewheel.lake import Lake
from tidewheel.options import FeaturesOptions, LandOptions
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.spec.source_days import source_days

if TYPE_CHECKING:
    import pyarrow as pa

RUN_ID = "trial"


def features_of(pipeline: str, day: date) -> pa.Table:
    """The features of a day, with the key and the event time: what the model would be given.

    The readers read the day and the look-back, the transform runs in a Spark session of its own (some ten seconds), and
    the lake, the ledger and the registry are neither read nor written.

    Args:
        pipeline: its name; it belongs to the project of this folder, or of TIDEWHEEL_PROJECT.
        day: a day that the source has; of an hourly pipeline a `tidewheel.hours.Hour`, or a day for its last hour.

    Raises:
        SpecError: the pipeline file is wrong, or the transform does not return the columns that it declares.
        UsageError: the source never has such a day.
        SourceError: a file, a table or a function has no rows of the day or of the look-back.
        DataRefused: the rows break a rule, such as a key that is there twice.
    """
    settings = load_settings()
    declared = find_pipeline(settings.pipelines_folder, pipeline)
    day = PartitionRange.parse(str(day)).by(declared.partition).last
    require_day(declared, day)
    reach = source_days(
        declared.source, PartitionRange(day, day, declared.partition).look_back(declared.features.look_back_days)
    )
    with scratch_settings(settings) as scratch:
        lake = Lake.open(pipeline, scratch)
        for each in reach.days if reach else []:
            _land(declared, scratch, lake, each, RUN_ID if each == day else f"{RUN_ID}-{each}")
        return _computed(declared, scratch, lake, day)


def _land(pipeline: Pipeline, settings: Settings, lake: Lake, day: date, run_id: str) -> None:
    # The labels of the very rows that are landed; which of them a feature may use is decided by the real delay, later.
    at_once = pipeline.model_copy(update={"labels": pipeline.labels.model_copy(update={"delay_days": 0})})
    result = carried_out(_job(LandOptions(unfinished=True), at_once, settings, lake, day, run_id), land.work)
    if result.refused:
        raise DataRefused(f"{pipeline.name} on {day}: {result.refused}")
    for manifest in result.outputs:
        lake.publish(manifest)


def _computed(pipeline: Pipeline, settings: Settings, lake: Lake, day: date) -> pa.Table:
    result = carried_out(_job(FeaturesOptions(), pipeline, settings, lake, day, RUN_ID), features.work)
    if result.refused or not result.outputs:
        raise DataRefused(f"{pipeline.name} on {day}: {result.refused or result.sentence}")
    return lake.read_all(list(result.outputs))


def _job(
    options: OptionsT, pipeline: Pipeline, settings: Settings, lake: Lake, day: date, run_id: str
) -> Job[OptionsT]:
    days = PartitionRange(day, day, pipeline.partition)
    return Job(options.record, pipeline, days, run_id, settings, lake, options, code_version="")
