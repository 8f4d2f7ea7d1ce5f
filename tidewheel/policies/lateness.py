"""When a day is late: the limits of `alerts` in the pipeline file, for the console and the alerts alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

LONGEST_CLOSURE = timedelta(days=3)
"""Where days without rows are usual (`source.empty_days: skip`), a day is late only after so long: a long weekend."""


def expected_day(pipeline: Pipeline, now: datetime) -> date:
    """The newest day that must have been validated by now.

    Args:
        pipeline: its `schedule`, `source` and `alerts.data_late_hours`.
        now: the time, in UTC.
    """
    from croniter import croniter

    allowed = timedelta(hours=pipeline.alerts.data_late_hours)
    if pipeline.source.empty_days == "skip":
        allowed += LONGEST_CLOSURE
    night: datetime = croniter(pipeline.schedule, (now - allowed).astimezone(UTC)).get_prev(datetime)
    day = pipeline.partition.last_ended(night.date())
    return min(day, pipeline.partition.holding(pipeline.source.end)) if pipeline.source.end else day


def expected_labels(pipeline: Pipeline, monitored: date) -> date:
    """The newest day whose labels must be known by now.

    Args:
        pipeline: its `labels.delay_days` and `alerts.labels_late_days`.
        monitored: the newest day that was monitored. Where nights are late, the labels are not to blame.
    """
    return pipeline.partition.before(monitored, pipeline.labels.delay_days + pipeline.alerts.labels_late_days)
