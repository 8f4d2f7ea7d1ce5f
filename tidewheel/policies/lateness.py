"""When data is late: the limits of `alerts` in the pipeline file, for console, alerts and metrics alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.partitions import HOUR, Partitioning, day_of, partition_of

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline

LONGEST_CLOSURE = timedelta(days=3)
"""Where days without rows are usual (`source.empty_days: skip`), a day is late only after so long: a long weekend."""


@dataclass(frozen=True)
class LateData:
    """Data that must have been validated by now, and has not.

    Attributes:
        newest: the newest partition that has.
        expected: the one that must have: an hour, a day or a week, as the pipeline has them.
        behind: partitions from the one to the other; at least 1.
    """

    newest: date
    expected: date
    behind: int


def late_data(pipeline: Pipeline, newest: str, now: datetime) -> LateData | None:
    """How far a pipeline's data is behind; None where it is not, or where there has never been any.

    Args:
        pipeline: its `schedule`, `source` and `alerts.data_late_hours`.
        newest: key of the newest partition that was validated, or of an hourly pipeline's newest day; may be empty.
        now: the time, in UTC.
    """
    if not newest:
        return None
    unit = pipeline.partition
    reached = partition_of(newest) if unit is HOUR else day_of(newest)
    if not isinstance(reached, datetime):
        reached = unit.ending(reached)
    expected = expected_data(pipeline, now)
    behind = unit.between(reached, expected)
    return LateData(reached, expected, behind) if behind > 0 else None


def expected_day(pipeline: Pipeline, now: datetime) -> date:
    """The newest day, or week, that must have been monitored by now: see `expected_data`."""
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
