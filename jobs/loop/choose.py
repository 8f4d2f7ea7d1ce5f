"""Which days a training learns from, and which are held out for the gate."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.loop.fit import checked_training_rows
from jobs.models.files import Untrusted
from jobs.models.paired_losses import row_losses
from jobs.models.prediction import predict
from jobs.models.row_weights import at, weighted_by_day
from jobs.monitoring.qualities import day_qualities
from jobs.training.recency import DaysTrial, LearnedModel, choose_days
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.mlflow_api import NotInRegistry
from tidewheel.policies.change import changed_since
from tidewheel.policies.trigger.attempts import undecided
from tidewheel.policies.trigger.restraints import Role

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.memory.protocol import Memory, Predictor
    from jobs.models.prediction import Array

ALARMS = (Role.ALARM, Role.FALL)
log = logging.getLogger("tidewheel.choose")


def choose(memory: Memory, as_of: date) -> TrainingData:
    """The days to learn from, and those held out for the gate.

    What an alarm has called for is marked as such: `try_days_out` has still to settle which days teach most.

    Args:
        memory: of the pipeline.
        as_of: the day that the training looks back from.

    Raises:
        DataRefused: too few days or rows.
    """
    pipeline, role = memory.pipeline, memory.requested_by()
    if not pipeline.on_probation:
        return memory.training_data(as_of, pipeline.held_days(role in ALARMS, undecided(memory.attempts())))
    chosen = memory.training_data(as_of, held=0)
    champion = memory.champion()
    if champion is None:
        return chosen
    since = champion.learned_since
    if role not in ALARMS:
        return chosen.learning_since(since)
    changed = changed_since(day_qualities(memory.figures, pipeline, as_of), pipeline.block)
    return chosen.model_copy(update={"alarmed": True, "fallen": role is Role.FALL, "changed": changed, "since": since})


def try_days_out(memory: Memory, chosen: TrainingData) -> TrainingData:
    """Choose between all days and those since the champion's loss has risen; see `jobs.training.recency`.

    Where nothing can be tried out (the champion cannot be opened, or a trial cannot be fitted), the days stay those
    that the champion has learned from, and the reason is in the record.

    Args:
        memory: of the pipeline.
        chosen: all days that may be learned from.

    Returns:
        The days to learn from, and what came of the trials.
    """
    settled = chosen.model_copy(update={"alarmed": False})
    champion = memory.champion()
    if champion is None:
        return settled
    try:
        learned_model = LearnedModel(memory.predictor(champion.version), chosen.since, champion.learned_until)
        trial = choose_days(_trial(memory), chosen.training, learned_model, chosen.changed, chosen.fallen)
    except (Untrusted, NotInRegistry, DataRefused, ModelRefused) as error:
        log.warning("which days teach most could not be tried out: %s", error)
        tried = f"which days teach most could not be tried out ({error})"
        return settled.learning_since(chosen.since).model_copy(update={"tried": tried})
    learned = settled.learning_since(trial.first)
    cost = trial.cost(learned.training_rows, chosen.training_rows)
    return learned.model_copy(update={"tried": trial.words, "cost": cost})


@dataclass(frozen=True)
class _Candidate:
    """A model of some of the days."""

    memory: Memory
    model: Any

    def predictions(self, days: Sequence[LabelledDay]) -> Array:
        return predict(self.model, self.memory.training_rows(days).frame, self.memory.pipeline.task)


def _trial(memory: Memory) -> DaysTrial[Predictor]:
    pipeline = memory.pipeline

    def fit(days: Sequence[LabelledDay]) -> Predictor:
        return _Candidate(memory, memory.fit(pipeline, days, checked_training_rows(memory, days)).model)

    def losses(candidate: Predictor, days: Sequence[LabelledDay]) -> list[Array]:
        rows = memory.training_rows(days)
        lost = row_losses(pipeline.metric, rows.truth, candidate.predictions(days), pipeline.loss)
        starts = np.searchsorted(rows.days.to_numpy(dtype="U10"), [str(day.day) for day in days])
        spans = [slice(first, end) for first, end in pairwise([*starts, len(rows)])]
        return weighted_by_day([lost[span] for span in spans], [at(rows.weights, span) for span in spans])

    return DaysTrial(fit, losses, pipeline.training.minimum_rows)
