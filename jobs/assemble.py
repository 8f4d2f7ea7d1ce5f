"""Decide, by hash, which data a training run learns from and is judged on."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.data.staleness import stale_days, stale_sentence
from jobs.data.training_data import choose_training_data, keep_training_data
from jobs.job import Job, Result, run
from jobs.models.standing import standing
from jobs.monitoring.attempts import attempts
from jobs.monitoring.trigger_measurement import day_qualities
from jobs.training.no_challenger import refusal_is_a_verdict
from jobs.training.nothing_new import fingerprint, repeated
from tidewheel.ledger import Ledger
from tidewheel.ledger.trainings import Trainings, Window
from tidewheel.options import AssembleOptions
from tidewheel.policies.change import changed_since
from tidewheel.policies.trigger.attempts import undecided
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData


ALARMS = (Role.ALARM, Role.FALL)


def work(job: Job[AssembleOptions]) -> Result:
    """Name the matured days to train on and the newer ones kept for the gate, unless nothing is new."""
    with refusal_is_a_verdict(job):
        chosen = _chosen(job)
    if sentence := repeated(job, chosen, forced=job.options.force):
        _answer_the_wish(job, str(chosen.as_of), sentence)
        return Result(figures={"skipped": True, "as_of": chosen.as_of.isoformat()}, sentence=sentence)
    path = keep_training_data(job.lake, job.run_id, chosen)
    stale = stale_days(job.lake, job.pipeline, chosen)
    first, last = chosen.training[0].day, chosen.training[-1].day
    trainings = Trainings(Ledger.open(job.settings))
    trainings.begin(job.pipeline.name, job.run_id, Window(chosen.as_of, first, last), datetime.now(UTC))
    return Result(
        inputs=chosen.inputs,
        figures={
            "as_of": chosen.as_of.isoformat(),
            "days": len(chosen.training),
            "first_day": first.isoformat(),
            "last_day": last.isoformat(),
            "rows": chosen.training_rows,
            "holdout_days": len(chosen.holdout),
            "stale_days": len(stale),
            **fingerprint(job, chosen),
        },
        links={"Training data, by hash": path},
        sentence=f"{quantity(chosen.training_rows, 'row')} of {quantity(len(chosen.training), 'day')} "
        f"({first} to {last}) to train on, " + _kept_words(chosen) + stale_sentence(job.pipeline, stale),
    )


def _chosen(job: Job) -> TrainingData:
    """The days to learn from, and those kept for the gate.

    Raises:
        DataRefused: too few days or rows.
    """
    pipeline, day = job.pipeline, job.partitions.last
    if not pipeline.on_probation:
        return choose_training_data(job.lake, pipeline, day, _held_days(job))
    chosen = choose_training_data(job.lake, pipeline, day, held=0)
    champion = standing(job.settings, pipeline).champion
    if champion is None:
        return chosen
    since = date.fromisoformat(champion.learned_since) if champion.learned_since else None
    if (role := _called_for_by(job)) not in ALARMS:
        return chosen.learning_since(since)
    changed = changed_since(day_qualities(job, Ledger.open(job.settings), day))
    return chosen.model_copy(update={"alarmed": True, "fallen": role == Role.FALL, "changed": changed, "since": since})


def _kept_words(chosen: TrainingData) -> str:
    if not chosen.holdout:
        return "none kept for the gate: the days that follow judge the version"
    return f"{len(chosen.holdout)} later days kept for the gate"


def _held_days(job: Job) -> int:
    """How many days the gate gets, by who called for the training and by what it could not tell before."""
    earlier = attempts(Ledger.open(job.settings), job.pipeline.name, datetime.now(UTC))
    return job.pipeline.held_days(_called_for_by(job) in ALARMS, undecided(earlier))


def _called_for_by(job: Job) -> str | None:
    """On whose behalf monitoring requested the training that this run is; None where it did not."""
    row = Trainings(Ledger.open(job.settings)).of_run(job.pipeline.name, job.run_id)
    return (row.requested_by or None) if row else None


def _answer_the_wish(job: Job, as_of: str, sentence: str) -> None:
    """Write down why there is no training, and close the wish that asked for it."""
    ledger, now = Ledger.open(job.settings), datetime.now(UTC)
    verdict = Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, f"{Outcome.SUPPRESSED}: {sentence}")
    ledger.record(job.pipeline.name, as_of, job.run_id, verdict, now)
    ledger.close_request(job.pipeline.name, job.run_id, now)


if __name__ == "__main__":
    run(work, AssembleOptions)
