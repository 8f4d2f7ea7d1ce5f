"""What callers send to a model that scores batches too, against what it learns from: the features of the days before.

The same measures and limits as for the night's own rows. Who asks online may be another kind of customer than the rest,
so a distance to the features is no alarm by itself: that it has risen beyond its own past is. Nor is a category that
callers never ask about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.monitoring.comparisons import planned_comparisons
from jobs.monitoring.daily_rows import answered_rows_of_days, rows_of_days
from jobs.monitoring.drift import DayDrift, compare_days
from jobs.monitoring.methods import DayComparison
from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from datetime import date

    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline

REQUESTS = "requests/"
"""Before the key of a day whose rows are those of callers."""


def live_drift(lake: Lake, pipeline: Pipeline, day: date, failures: PartialFailures = RAISING) -> DayDrift:
    """Hold a day's requests against the features of the days before it.

    Args:
        lake: the pipeline's lake.
        pipeline: names the features and `monitoring.drift`.
        day: the day.
        failures: takes note of a column that cannot be measured.

    Returns:
        Findings; a day without requests, or with too few days before it, says so.
    """
    planned = planned_comparisons(pipeline.monitoring.drift, day, pipeline.block)
    requests = answered_rows_of_days(lake, pipeline, sorted({key for one in planned for key in one.current}))
    if str(day) not in requests:
        return DayDrift(missing=f"no requests of {day}")
    rows = {f"{REQUESTS}{key}": frame for key, frame in requests.items()}
    rows |= rows_of_days(lake, pipeline, sorted({key for one in planned for key in one.reference}))
    comparisons = [DayComparison(tuple(f"{REQUESTS}{key}" for key in one.current), one.reference) for one in planned]
    return compare_days(pipeline, rows, comparisons, "requests", failures, all_kinds=False)
