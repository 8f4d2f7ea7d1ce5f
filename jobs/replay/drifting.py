"""Drift of a played day, measured as job `monitor` measures it, of the rows that the history holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bentos.outputs import Outputs
from jobs.monitoring.comparisons import days_of, planned_comparisons
from jobs.monitoring.daily_rows import MOST_ROWS, PREDICTION, VERSION
from jobs.monitoring.drift import compare_days
from jobs.monitoring.drift_verdict import feature_drift
from jobs.partial_failures import PartialFailures
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pandas as pd

    from jobs.models.prediction import Array
    from jobs.replay.history import Known
    from tidewheel.policies.trigger.measurement import FeatureDrift
    from tidewheel.spec import Pipeline


def played_drift(
    known: Known,
    pipeline: Pipeline,
    predicted: Mapping[date, tuple[str, Array]],
    importances: Mapping[str, float],
) -> FeatureDrift | None:
    """What the trigger is given of the drift of an evening's day; None where it is unknown.

    Args:
        known: what is known on the evening.
        pipeline: names the features and `monitoring.drift`.
        predicted: by day the version that predicted its rows, and its predictions.
        importances: of the champion's features; empty: all weigh the same.
    """
    comparisons = planned_comparisons(pipeline.monitoring.drift, known.as_of, pipeline.block)
    days = [day_of(key) for key in days_of(comparisons)]
    rows = {str(day): _drawn(known, pipeline, day, predicted) for day in days if day in known.history.spans}
    found = compare_days(pipeline, rows, comparisons, "features", PartialFailures())
    return feature_drift(found, importances, pipeline.features.columns)


def _drawn(known: Known, pipeline: Pipeline, day: date, predicted: Mapping[date, tuple[str, Array]]) -> pd.DataFrame:
    """Some rows of a day, evenly drawn, with what was predicted for them."""
    frame = known.frame(day)
    step = max(1, math.ceil(len(frame) / MOST_ROWS))
    rows = frame.iloc[::step]
    if day in predicted:
        version, answers = predicted[day]
        said = Outputs(tuple(pipeline.labels.classes)).arrays(answers[::step])[0].to_numpy(zero_copy_only=False)
        rows = rows.assign(**{PREDICTION: said, VERSION: version})
    return rows
