"""Making a challenger: search where asked, fit, and where asked fit once more through the newest matured day."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.fitting import Lesson, fit, read_lesson
from jobs.metrics import measure
from jobs.prediction import predict
from jobs.search import SearchResult, search, with_parameters
from tidewheel.policies.gate import NAMES
from tidewheel.spec import LOWER_IS_BETTER

if TYPE_CHECKING:
    from datetime import date

    from jobs.training_data import TrainingData
    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.challenger")


@dataclass(frozen=True)
class Challenger:
    """A fitted challenger.

    Attributes:
        pipeline: the declaration, with the parameters that were used.
        model: what would serve.
        device: where it was fitted.
        lesson: the rows it learned from.
        last_day: the newest of their days.
        judged: what the gate judges, where the model itself has learned from the holdout too; else None.
        searched: the trials, where there was a search.
        refit: what came of the refit, in a sentence; empty where none was asked for.
    """

    pipeline: Pipeline
    model: Any
    device: str
    lesson: Lesson
    last_day: date
    judged: Any = None
    searched: SearchResult | None = None
    refit: str = ""


def make_challenger(lake: Lake, run_id: str, pipeline: Pipeline, chosen: TrainingData) -> Challenger:
    """Make a challenger from the batches that were chosen.

    Raises:
        LakeError: a batch is gone.
        DataRefused: too few rows or days, or labels of one kind only.
    """
    lesson, searched = read_lesson(lake, pipeline, chosen.training), None
    if pipeline.training.search:
        searched = search(lake, run_id, pipeline, lesson, chosen.data_hash)
        pipeline = pipeline.model_copy(update={"training": with_parameters(pipeline.training, searched.best)})
    fitted = fit(pipeline.training, pipeline.features, pipeline.task, lesson.frame, lesson.truth)
    made = Challenger(pipeline, fitted.model, fitted.device, lesson, chosen.training[-1].day, searched=searched)
    return _refit(lake, made, chosen) if pipeline.training.refit and chosen.holdout else made


def _refit(lake: Lake, made: Challenger, chosen: TrainingData) -> Challenger:
    """Fit once more, on the holdout too; what the gate judges stays the model that has not seen it."""
    pipeline = made.pipeline
    everything = read_lesson(lake, pipeline, (*chosen.training, *chosen.holdout))
    again = fit(pipeline.training, pipeline.features, pipeline.task, everything.frame, everything.truth)
    tail = made.lesson.days >= str(chosen.training[-len(chosen.holdout) :][0].day)
    if wrong := refit_objection(pipeline, made.model, again.model, made.lesson, tail.to_numpy()):
        sentence = f"the refit through {chosen.holdout[-1].day} is not used: {wrong}"
        log.warning("%s", sentence)
        return Challenger(**{**vars(made), "refit": sentence})
    return Challenger(
        pipeline=pipeline,
        model=again.model,
        device=again.device,
        lesson=everything,
        last_day=chosen.holdout[-1].day,
        judged=made.model,
        searched=made.searched,
        refit=f"fitted again through {chosen.holdout[-1].day}; the gate judges its twin, which learned until "
        f"{made.last_day}",
    )


def refit_objection(pipeline: Pipeline, before: Any, after: Any, lesson: Lesson, tail: Any) -> str:
    """Why a refit must not be used; empty where it may.

    More days must not make a model worse on days that both have learned from: where they do, the new days are unlike
    the others, or broken.

    Args:
        pipeline: names task, figure and the gate's margin.
        before: the model that the gate judges.
        after: the same, fitted to more days.
        lesson: what `before` has learned from.
        tail: which of these rows to look at.
    """
    frame, truth = lesson.frame.loc[tail], lesson.truth[tail]
    old, new = (predict(model, frame, pipeline.task) for model in (before, after))
    if not np.isfinite(new).all():
        return "it predicts what is no number"
    was, now = (measure(truth, answers, pipeline.task)[pipeline.metric] for answers in (old, new))
    sign = 1 if pipeline.metric in LOWER_IS_BETTER else -1
    if sign * (now - was) > pipeline.gate.margin * abs(was):
        return (
            f"on the last {lesson.days[tail].nunique()} days that both have learned from, {NAMES[pipeline.metric]} is "
            f"{now:.4f} instead of {was:.4f}, worse by more than gate.margin, {pipeline.gate.margin:.0%}"
        )
    return ""
