"""The loss of each policy day by day: what two files of replays are compared by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.models.paired_losses import row_losses

if TYPE_CHECKING:
    from jobs.replay.simulation import Simulation
    from jobs.training.fitting import TrainingRows
    from tidewheel.spec import Pipeline


def daily_losses(pipeline: Pipeline, rows: TrainingRows, plays: Sequence[Simulation]) -> dict[str, list[float]]:
    """Sum of the row losses of each day, mean over the seeds, and the rows (or their weights) that they are of.

    Args:
        pipeline: names the metric; one that is no mean over rows is replaced by its task's loss, see
            `jobs.models.paired_losses.row_losses`.
        rows: labelled rows of the played days, in order.
        plays: of one policy.

    Returns:
        `weight` and `loss`, a value for each day that has rows.
    """
    codes, days = pd.factorize(rows.days)
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    sums = [
        np.bincount(codes, row_losses(pipeline.metric, rows.truth, one.answers, pipeline.loss) * weights, len(days))
        for one in plays
    ]
    weight = np.bincount(codes, weights, len(days))
    return {"weight": weight.tolist(), "loss": np.mean(sums, axis=0).tolist()}
