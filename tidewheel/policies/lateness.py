"""When a day is late: the limits of `alerts` in the pipeline file, for the console and the alerts alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.partitions import Partitioning
    from tidewheel.spec import Pipeline

LONGEST_CLOSURE = timedelta(days=3)
"""Where days without rows are usual (`source.empty_days: skip`), a day is late only after so long: a long weekend."""


def expected_day(pipeline: Pipeline, now: datetime) -> date:
    """The newest day, or week, that must have been validated by now: see `expected_data`."""
    return _expected(pipeline, now, pipeline.block)


def expected_data(pipeline: Pipeline, now: datetime) -> date:
    """The newest partition of data that must have been validated by now; of an hourly pipeline an hour.

    Args:
        pipeline: its `schedule`, `source` and `alerts.data_late_hours`.
        now: the time, in UTC.
    """
    return _expected(pipeline, now, pipeline.partition)


def _expected(pipeline: Pipeline, now: datetime, unit: Partitioning) -> date:
    from croniter import croniter

    allowed = timedelta(hours=pipeline.alerts.data_late_hours)
    if pipeline.source.empty_days == "skip":
        allowed += LONGEST_CLOSURE
    night: datetime = croniter(pipeline.schedule, (now - allowed).astimezone(UTC)).get_prev(datetime)
    newest = unit.last_ended(night)
    return min(newest, unit.ending(pipeline.source.end)) if pipeline.source.end else newest


def expected_labels(pipeline: Pipeline, monitored: date) -> date:
    """The newest day whose labels must be known by now.

    Args:
        pipeline: its `labels.delay_days` and `alerts.labels_late_days`.
        monitored: the newest day that was monitored. Where nights are late, the labels are not to blame.
    """
    return pipeline.block.before(monitored, pipeline.labels.delay_days + pipeline.alerts.labels_late_days)
