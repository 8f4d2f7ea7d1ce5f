"""Quality over time: the gate's metric over the trailing days of each policy's composite model."""

from __future__ import annotations

import numpy as np

from jobs.models.metrics import measure
from jobs.models.prediction import Array
from jobs.models.row_weights import at
from jobs.replay.simulation import Simulation
from jobs.training.fitting import TrainingRows
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

TRAILING_DAYS = 14


def quality_over_time(
    pipeline: Pipeline, rows: TrainingRows, plays: list[Simulation], played: PartitionRange, window: int = TRAILING_DAYS
) -> Array:
    """The metric of the `window` days that end with each day, mean over the plays; of fewer days at the beginning.

    NaN until there are half as many, and where none of them has a row.

    Args:
        pipeline: names the metric.
        rows: labelled rows of the played days, in order.
        plays: of one policy, with different seeds.
        played: first and last day; a value for each.
        window: days.
    """
    sorted_days = rows.days.to_numpy(dtype="U10")
    found = np.full(len(played.days), np.nan)
    for number, day in enumerate(played.days):
        first = max(played.first, played.unit.before(day, window - 1))
        part = slice(*np.searchsorted(sorted_days, [str(first), str(played.unit.after(day))]))
        if number < window // 2 - 1 or part.start == part.stop:
            continue
        truth, weights = rows.truth[part], at(rows.weights, part)
        measured = [
            measure(truth, one.answers[part], pipeline.task, weights=weights, loss=pipeline.loss) for one in plays
        ]
        found[number] = np.mean([figures[pipeline.metric] for figures in measured])
    return found
