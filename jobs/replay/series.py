"""Quality over time: the gate's metric over the trailing days of each policy's composite model."""

from __future__ import annotations

import numpy as np

from jobs.models.metrics import measure
from jobs.models.prediction import Array
from jobs.replay.history import Rows
from jobs.replay.play import Play
from tidewheel.spec import Pipeline

TRAILING_DAYS = 14


def quality_over_time(pipeline: Pipeline, rows: Rows, plays: list[Play], window: int = TRAILING_DAYS) -> Array:
    """The metric of the `window` days that end with each day, mean over the plays; of fewer days at the beginning.

    NaN until there are half as many.

    Args:
        pipeline: names the metric.
        rows: labelled rows of the played days.
        plays: of one policy, with different seeds.
        window: days.
    """
    ends = np.cumsum(rows.days.groupby(rows.days, sort=False).size().to_numpy())
    starts = np.concatenate([[0], ends])
    found = np.full(len(ends), np.nan)
    for day in range(window // 2 - 1, len(ends)):
        part = slice(starts[max(0, day - window + 1)], ends[day])
        of_plays = [measure(rows.truth[part], one.answers[part], pipeline.task)[pipeline.metric] for one in plays]
        found[day] = np.mean(of_plays)
    return found
