"""`<name>.features`: every night, land a day, judge it, compute its features, and publish what passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, chain

from plugins.nightly import TIMETABLES
from plugins.operators.command import JobCommand
from plugins.operators.decisions import AnnounceFeatures
from plugins.operators.job_task import job_task
from plugins.pipeline import assets, compacting, forms
from plugins.pipeline.compacting import announce_days, compact_task
from plugins.pipeline.declared import LONG, RunTimes, declared_dag
from plugins.pipeline.partition import PARTITION, last_ended
from tidewheel.options import FeaturesOptions, LandOptions, ValidateOptions, ValidationStage
from tidewheel.partitions import Partitioning

if TYPE_CHECKING:
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

NIGHTS = {Partitioning.HOUR: "hour", Partitioning.DAY: "night", Partitioning.WEEK: "week"}
HOURS_GUIDE = """**Hours.** A run is for one hour (UTC), with a key like 2013-01-07T05. *Trigger* with a day for all of
its hours in one Spark run; such a day is announced. A day's last hour lands the labels that have matured by then.

"""
LAND_RETRIES = 5
"""A source that is late is no failure yet: the waits add up to ten minutes."""


def features_dag(pipeline: Pipeline, settings: Settings) -> DAG:
    """The DAG that makes features."""
    # The run of 03:00 gets the key of one tick before: the day, or the week, that has just ended.
    hourly = pipeline.partition is Partitioning.HOUR
    nightly = TIMETABLES[pipeline.partition](pipeline.schedule, timezone="UTC", run_offset=-1)
    land = JobCommand(LandOptions, pipeline.name, PARTITION, forms.filled_in(LandOptions))
    validate_raw = JobCommand(ValidateOptions, pipeline.name, PARTITION, {"stage": ValidationStage.RAW})
    features = JobCommand(FeaturesOptions, pipeline.name, PARTITION)
    validate_features = JobCommand(ValidateOptions, pipeline.name, PARTITION, {"stage": ValidationStage.FEATURES})
    with declared_dag(
        pipeline,
        "features",
        settings,
        times=RunTimes(nightly, last_ended(pipeline.partition)),
        params=forms.days(f"the last {pipeline.partition} that has ended before the run", pipeline.partition)
        | forms.fields(LandOptions),
        guide={
            "cron": pipeline.schedule,
            "night": NIGHTS[pipeline.partition],
            "compact": compacting.GUIDE if hourly else "",
            "hours": HOURS_GUIDE if hourly else "",
            "unit": pipeline.partition,
        },
    ) as dag:
        # A run may be about a range of years: its tasks have the time for it.
        chain(
            job_task("land", land, pipeline, settings, retries=LAND_RETRIES, execution_timeout=LONG),
            job_task("validate_raw", validate_raw, pipeline, settings, links=["Report"], execution_timeout=LONG),
            job_task("features", features, pipeline, settings, execution_timeout=LONG),
            job_task(
                "validate_features", validate_features, pipeline, settings, links=["Report"], execution_timeout=LONG
            ),
            *([compact_task(pipeline, settings, scored=False)] if hourly else []),
            announce_days(pipeline, assets.features(pipeline.name))
            if hourly and not pipeline.scoring.enabled  # then only monitoring follows, which is by day
            else AnnounceFeatures(
                task_id="announce",
                asset=assets.features(pipeline.name),
                partition=PARTITION,
                pipeline=pipeline,
            ),
        )
    return dag
