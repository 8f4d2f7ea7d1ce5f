"""Days before a promotion, which the challenger has learned from: what they still tell of it, and of the pair."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from jobs.data.training_data import PARTITION
from jobs.evaluation.judging import Judged
from jobs.models.paired_losses import PairedAnswers, paired_day
from jobs.models.row_weights import at
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.data.training_data import LabelledDay
    from tidewheel.policies.probation import PairedDay
    from tidewheel.spec import Pipeline

USUAL_DAYS = 42
"""Days before a promotion that tell how far the days of two models differ."""
MOST_ROWS = 1_000_000
"""Rows of these days that are read at most, so that large days take no more memory than a training does."""


def newest_days(days: Sequence[LabelledDay]) -> list[LabelledDay]:
    """The newest of some days, oldest first: as many as are of use, and no more rows than can be read."""
    rows = np.cumsum([day.rows for day in reversed(days)])
    most = max(1, min(USUAL_DAYS, int((rows <= MOST_ROWS).sum())))
    return [*days[-most:]]


def recent(pipeline: Pipeline, judged: Judged) -> Judged:
    """What the gate judges: of days that were learned from, as many of the newest as it would hold out otherwise."""
    if not pipeline.on_probation or judged.rows.empty:
        return judged
    newest = sorted(judged.rows[PARTITION].unique())[-pipeline.training.holdout_days :]
    of_them = judged.rows[PARTITION].isin(newest).to_numpy()
    return replace(
        judged,
        rows=judged.rows[of_them].reset_index(drop=True),
        truth=judged.truth[of_them],
        challenger=judged.challenger[of_them],
        champion=None if judged.champion is None else judged.champion[of_them],
        weights=at(judged.weights, of_them),
    )


def pairs(pipeline: Pipeline, judged: Judged) -> list[PairedDay]:
    """Both versions day by day; days on which a prediction is no number are left out."""
    if judged.champion is None:
        return []
    usual = []
    for day, rows in judged.rows.groupby(PARTITION).indices.items():
        answers = PairedAnswers(
            judged.truth[rows], judged.challenger[rows], judged.champion[rows], at(judged.weights, rows)
        )
        pair = paired_day(
            day_of(str(day)),
            pipeline.metric,
            answers,
            pipeline.loss,
        )
        if pair:
            usual.append(pair)
    return usual
