"""Do the newest days matter? They do where a fit that ends a week ago is already better than the champion on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION, labelled_rows
from jobs.evaluation.comparison import loss_difference
from jobs.models import registry
from jobs.models.prediction import model_frame, predict

if TYPE_CHECKING:
    import pandas as pd

    from jobs.data.training_data import TrainingData
    from jobs.models.prediction import Array, Model
    from tidewheel.lake import Lake
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


def is_clearly_better(
    pipeline: Pipeline, truth: Array, challenger: Array, champion: Array, days: pd.Series[str]
) -> bool:
    """Whether the challenger's figure is better than the champion's, with the gate's confidence.

    Args:
        pipeline: names metric and confidence.
        truth: labels of the holdout.
        challenger: what it says to these rows.
        champion: what the champion says to them.
        days: day of each row.
    """
    if len(truth) == 0:
        return False
    _, bound = loss_difference(
        pipeline.metric,
        truth,
        challenger,
        champion,
        days,
        confidence=pipeline.gate.confidence,
        seed=pipeline.training.seed,
    )
    return bound < 0


def freshness_pays(settings: Settings, lake: Lake, pipeline: Pipeline, chosen: TrainingData, first: Model) -> bool:
    """Whether a first fit is clearly better than the champion, on holdout days that neither has learned from.

    Without a champion, or with one that wants other columns, nothing shows that it pays.

    Args:
        settings: of this installation.
        lake: holds the days.
        pipeline: its declaration.
        chosen: names them.
        first: has not learned from the holdout.
    """
    champion = registry.champion(settings, pipeline.name)
    if champion is None:
        return False
    contract = registry.contract(settings, pipeline.name, champion.version)
    if contract.lacking(pipeline.features):
        return False
    days = [day for day in chosen.holdout if str(day.day) > registry.judged_train_end(champion)]
    rows = labelled_rows(lake, pipeline, days)
    if rows.empty:
        return False
    ours = predict(first, model_frame(rows, pipeline.features), pipeline.task)
    theirs = predict(registry.load_judged_model(settings, champion), model_frame(rows, contract), pipeline.task)
    return is_clearly_better(pipeline, rows[pipeline.labels.column].to_numpy(), ours, theirs, rows[PARTITION])
