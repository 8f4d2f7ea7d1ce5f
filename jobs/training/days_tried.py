"""Trying out, before a training that an alarm has called for, which days teach most; see `jobs.training.recency`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from jobs.data.training_data import labelled_rows
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.models.paired_losses import row_losses
from jobs.models.prediction import answers_of, model_frame, predict
from jobs.models.row_weights import weighted_by_day, weights_of
from jobs.models.standing import standing
from jobs.training.fitting import fit_lesson, read_lesson
from jobs.training.recency import Trial, choose_days
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.mlflow_api import NotInRegistry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentos.contract import Contract
    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.job import Job
    from jobs.models.prediction import Array, Model

log = logging.getLogger("tidewheel.train")


@dataclass(frozen=True)
class _Candidate:
    """A model, and the columns it wants; None: those that the pipeline declares."""

    model: Any
    contract: Contract | None = None


def try_days_out(job: Job, chosen: TrainingData) -> TrainingData:
    """Choose between all days and those since the champion's loss has risen.

    Where nothing can be tried out (the champion cannot be opened, or a trial cannot be fitted), the days stay those
    that the champion has learned from, and the reason is in the record.

    Args:
        job: of the training.
        chosen: all days that may be learned from.

    Returns:
        The days to learn from, and what came of the trials.
    """
    settled = chosen.model_copy(update={"alarmed": False})
    champion = standing(job.settings, job.pipeline).champion
    if champion is None:
        return settled
    try:
        contract = registry.contract(job.settings, job.pipeline.name, champion.version or "")
        model: Model = registry.load_model(job.settings, job.pipeline.name, champion.version or "")
        found = choose_days(
            Trial(_fit(job), _losses(job), job.pipeline.training.minimum_rows),
            chosen.training,
            chosen.changed,
            chosen.since,
            _Candidate(model, contract),
            date.fromisoformat(champion.train_end),
            chosen.fallen,
        )
    except (Untrusted, NotInRegistry, DataRefused, ModelRefused) as error:
        log.warning("which days teach most could not be tried out: %s", error)
        tried = f"which days teach most could not be tried out ({error})"
        return settled.learning_since(chosen.since).model_copy(update={"tried": tried})
    learned = settled.learning_since(found.first)
    cost = found.cost(learned.training_rows, chosen.training_rows)
    return learned.model_copy(update={"tried": found.words, "cost": cost})


def _fit(job: Job) -> Any:
    def fitted(days: Sequence[LabelledDay]) -> _Candidate:
        return _Candidate(fit_lesson(job.pipeline, read_lesson(job.lake, job.pipeline, days)).model)

    return fitted


def _losses(job: Job) -> Any:
    def losses(candidate: _Candidate, days: Sequence[LabelledDay]) -> list[Array]:
        found: list[Array] = []
        weights: list[Array | None] = []
        for day in days:
            rows = labelled_rows(job.lake, job.pipeline, [day])
            if candidate.contract is not None:
                said = answers_of(candidate.model, candidate.contract, rows, job.pipeline)
            else:
                said = predict(candidate.model, model_frame(rows, job.pipeline.features), job.pipeline.task)
            truth = rows[job.pipeline.labels.column].to_numpy()
            found.append(row_losses(job.pipeline.metric, truth, said, job.pipeline.loss))
            weights.append(weights_of(rows, job.pipeline))
        return weighted_by_day(found, weights)

    return losses
