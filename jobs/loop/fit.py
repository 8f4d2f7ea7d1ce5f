"""Making a challenger: search where declared, fit, and where declared fit once more through the newest matured day."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.loop.warm import beginning
from jobs.models.metrics import measure
from jobs.models.multiclass import shares
from jobs.models.prediction import Array, predict
from jobs.models.regression_losses import best_constant
from jobs.partial_failures import RAISING, PartialFailures, cause
from jobs.training.fitting import check_training_rows
from jobs.training.search import with_parameters
from tidewheel.errors import ModelRefused
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.spec.losses import METRIC

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.memory.protocol import Memory
    from jobs.training.fitting import Fitted, TrainingRows
    from jobs.training.going_on import Start
    from jobs.training.search import SearchResult
    from tidewheel.spec import Pipeline

REFIT_KEEPS = 0.5
"""Share of the first fit's advantage over a constant that a refit must keep."""
MUCH = 0.25
"""A holdout of so large a share of the training rows is too much to do without: young models learn fastest."""
log = logging.getLogger("tidewheel.challenger")


@dataclass(frozen=True)
class Challenger:
    """A fitted challenger.

    Attributes:
        pipeline: the declaration, with the parameters that were used.
        model: what would serve.
        device: where it was fitted.
        training_rows: the rows it learned from.
        last_day: the newest of their days.
        judged: what the gate judges, where the model itself has learned from the holdout too; else None.
        searched: the trials, where there was a search.
        refit: what came of the refit, in a sentence; empty where none was requested.
        start: the model that it went on from; None: fitted from nothing.
        began: the start in a sentence, or why there is none; empty where the pipeline declares no warm start.
    """

    pipeline: Pipeline
    model: Any
    device: str
    training_rows: TrainingRows
    last_day: date
    judged: Any = None
    searched: SearchResult | None = None
    refit: str = ""
    start: Start | None = None
    began: str = ""


def make_challenger(memory: Memory, chosen: TrainingData, failures: PartialFailures = RAISING) -> Challenger:
    """Make a challenger from the days that were chosen; where the pipeline says so, by a warm start.

    Args:
        memory: of the pipeline.
        chosen: names the days.
        failures: takes note of the trials of a search that failed, of a warm start and of a refit that did.

    Raises:
        LakeError: a batch is gone.
        DataRefused: too few rows or days, or labels of one kind only.
        ModelRefused: the estimator cannot be fitted.
    """
    pipeline = memory.pipeline
    training_rows, searched = checked_training_rows(memory, chosen.training), None
    if pipeline.training.search and (searched := memory.search(training_rows, chosen.data_hash, failures)):
        pipeline = pipeline.model_copy(update={"training": with_parameters(pipeline.training, searched.best)})
    begins = beginning(memory, chosen)
    warm = _warm(memory, chosen, training_rows, begins.start, failures)
    fitted = warm or memory.fit(pipeline, chosen.training, training_rows)
    made = Challenger(pipeline, fitted.model, fitted.device, training_rows, chosen.training[-1].day, searched=searched)
    if warm:
        made = replace(made, start=begins.start, began=begins.sentence)
    elif begins.start:
        made = replace(made, began=f"fitted from the start: version {begins.start.version} could not be gone on from")
    else:
        made = replace(made, began=begins.sentence)
    return _refit(memory, made, chosen, failures) if refit_wanted(pipeline, chosen) else made


def checked_training_rows(memory: Memory, days: Sequence[LabelledDay]) -> TrainingRows:
    """The labelled rows of some days, to fit a model to.

    Raises:
        DataRefused: nothing can be learned from them.
    """
    training_rows = memory.training_rows(days)
    check_training_rows(memory.pipeline, training_rows)
    return training_rows


def refit_wanted(pipeline: Pipeline, chosen: TrainingData) -> bool:
    """Whether a challenger is fitted a second time, through its holdout.

    Args:
        pipeline: says so in `training.refit`.
        chosen: the days to learn from, and those held out.
    """
    match pipeline.training.refit:
        case "never":
            return False
        case "always":
            return bool(chosen.holdout)
        case "when_it_pays":
            held = sum(day.rows for day in chosen.holdout)
            return held >= MUCH * chosen.training_rows or len(chosen.holdout) > pipeline.training.holdout_days


def _warm(
    memory: Memory, chosen: TrainingData, training_rows: TrainingRows, start: Start | None, failures: PartialFailures
) -> Fitted | None:
    """Go on from a model; None where there is none, or where that fails: a fit from nothing may do better."""
    if start is None:
        return None
    try:
        return memory.fit(memory.pipeline, chosen.training, training_rows, start)
    except ModelRefused as error:
        failures.add("the warm start", error)
        return None


def _refit(memory: Memory, made: Challenger, chosen: TrainingData, failures: PartialFailures) -> Challenger:
    """Fit once more, on the holdout too; what the gate judges stays the model that has not seen it."""
    pipeline = made.pipeline
    days = (*chosen.training, *chosen.holdout)
    everything = checked_training_rows(memory, days)
    try:
        again = memory.fit(pipeline, days, everything, made.start)
    except (ModelRefused, MemoryError) as error:
        failures.add("the refit", error)
        return replace(
            made, refit=f"the refit through {chosen.holdout[-1].day} is not used: it failed ({cause(error)})"
        )
    tail = made.training_rows.days >= str(chosen.training[-len(chosen.holdout) :][0].day)
    if wrong := refit_objection(pipeline, made.model, again.model, made.training_rows, tail.to_numpy()):
        sentence = f"the refit through {chosen.holdout[-1].day} is not used: {wrong}"
        log.warning("%s", sentence)
        return replace(made, refit=sentence)
    return replace(
        made,
        model=again.model,
        device=again.device,
        training_rows=everything,
        last_day=chosen.holdout[-1].day,
        judged=made.model,
        refit=f"fitted again through {chosen.holdout[-1].day}; the gate judges its twin, which learned until "
        f"{made.last_day}",
    )


def refit_objection(pipeline: Pipeline, before: Any, after: Any, training_rows: TrainingRows, tail: Any) -> str:
    """Why a refit must not be used; empty where it may.

    It must keep most of what the first fit knew about days that both have learned from. A loss compared directly would
    not do: with more rows a model fits each of them a little less closely, and that is no fault.

    Args:
        pipeline: names the task and the loss.
        before: the model that the gate judges.
        after: the same, fitted to more days.
        training_rows: what `before` has learned from.
        tail: which of these rows to look at.
    """
    rows = training_rows.taken(tail)
    old, new = (predict(model, rows.frame, pipeline.task) for model in (before, after))
    if not np.isfinite(new).all():
        return "it predicts what is no number"
    had, has = (_skill(pipeline, rows, answers) for answers in (old, new))
    # where the days have turned, the first fit may be worse than a constant: a share of that is no bound from below
    if had - has > (1 - REFIT_KEEPS) * abs(had):
        return (
            f"on the last {rows.days.nunique()} {pipeline.block}s that both have learned from, it is better than a "
            f"constant by {has:.1%} in {NAMES[_loss(pipeline)]}, and the first fit by {had:.1%}; the new days are "
            "unlike the others"
        )
    return ""


def _loss(pipeline: Pipeline) -> str:
    """The figure that tells what a model has learned."""
    return METRIC[pipeline.loss.name] if pipeline.task == "regression" else "log_loss"


def _skill(pipeline: Pipeline, rows: TrainingRows, answers: Array) -> float:
    """Share of the loss of a constant prediction that a model saves."""
    if pipeline.task == "multiclass":
        constant = shares(rows.truth, answers.shape[1], rows.weights)
    else:
        constant = np.full_like(rows.truth, best_constant(rows.truth, rows.weights, pipeline.loss))
    loss, useless = (
        measure(rows.truth, said, pipeline.task, weights=rows.weights, loss=pipeline.loss)[_loss(pipeline)]
        for said in (answers, constant)
    )
    return 1 - loss / useless if useless > 0 else 0.0
