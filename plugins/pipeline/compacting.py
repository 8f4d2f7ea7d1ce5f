"""The tasks of an hourly pipeline that make days of its hours, and tell monitoring which days are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import TriggerRule

from plugins.operators.command import JobCommand
from plugins.operators.decisions import AnnounceDays
from plugins.operators.job_task import job_task
from plugins.pipeline.declared import LONG
from plugins.pipeline.partition import PARTITION
from tidewheel.options import CompactOptions

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseOperator

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


GUIDE = (
    "| **compact** | writes each day that has all its hours as one batch, which is what monitoring and training read; "
    "a day that lacks hours waits for them, six hours at most, and one that comes later makes its day again |\n"
)
"""What a guide says of the task."""


def compact_task(pipeline: Pipeline, settings: Settings, *, scored: bool) -> BaseOperator:
    """Write the days that have all their hours.

    It runs where the tasks before it had nothing to do, too: an hour without rows may be the one that ends its day.

    Args:
        pipeline: an hourly one.
        settings: of this installation.
        scored: whether predictions belong to the days.
    """
    compact = JobCommand(CompactOptions, pipeline.name, PARTITION, {"scored": "true"} if scored else {})
    rule = TriggerRule.NONE_FAILED
    return job_task("compact", compact, pipeline, settings, execution_timeout=LONG, trigger_rule=rule)


def announce_days(pipeline: Pipeline, asset: Asset) -> BaseOperator:
    """Announce the days that `compact` has made."""
    return AnnounceDays(
        task_id="announce", pipeline=pipeline.name, job=CompactOptions.job, asset=asset, partition=PARTITION
    )
