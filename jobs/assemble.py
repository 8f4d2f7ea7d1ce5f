"""Decide, by hash, which data a training run learns from and is judged on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.data.staleness import stale_days, stale_sentence
from jobs.data.training_data import keep_training_data
from jobs.job import Job, Result, run
from jobs.loop.choose import choose
from jobs.memory.ledger import LedgerMemory
from jobs.training.refusals import refusal_is_a_verdict
from jobs.training.repeated_training import fingerprint, repeated
from jobs.training.team_quota import used_up
from tidewheel.ledger import Ledger
from tidewheel.ledger.trainings import Trainings, Window
from tidewheel.options import AssembleOptions
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import quantity
from tidewheel.runs import SKIPPED

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from tidewheel.spec import Pipeline


def work(job: Job[AssembleOptions]) -> Result:
    """Name the matured days to train on and the newer ones reserved for the gate, unless nothing is new."""
    now = datetime.now(UTC)
    if not job.options.force and (sentence := used_up(job, now)):
        _close_request(job, str(job.partitions.last), sentence)
        return Result(figures={SKIPPED: True, "as_of": job.partitions.last.isoformat()}, sentence=sentence)
    with refusal_is_a_verdict(job):
        chosen = choose(LedgerMemory(job), job.partitions.last)
    if sentence := repeated(job, chosen, forced=job.options.force):
        _close_request(job, str(chosen.as_of), sentence)
        return Result(figures={SKIPPED: True, "as_of": str(chosen.as_of)}, sentence=sentence)
    path = keep_training_data(job.lake, job.run_id, chosen)
    stale = stale_days(job.lake, job.pipeline, chosen)
    first, last = chosen.training[0].day, chosen.training[-1].day
    trainings = Trainings(Ledger.open(job.settings))
    trainings.begin(job.pipeline.name, job.run_id, Window(chosen.as_of, first, last), datetime.now(UTC))
    return Result(
        inputs=chosen.inputs,
        figures={
            "as_of": str(chosen.as_of),
            "days": len(chosen.training),
            "first_day": str(first),
            "last_day": str(last),
            "rows": chosen.training_rows,
            "holdout_days": len(chosen.holdout),
            "stale_days": len(stale),
            **fingerprint(job, chosen),
        },
        links={"Training data, by hash": path},
        sentence=f"{quantity(chosen.training_rows, 'row')} of {quantity(len(chosen.training), job.pipeline.block)} "
        f"({first} to {last}) to train on, " + _kept_words(job.pipeline, chosen) + stale_sentence(job.pipeline, stale),
    )


def _kept_words(pipeline: Pipeline, chosen: TrainingData) -> str:
    if not chosen.holdout:
        return f"none reserved for the gate: the {pipeline.block}s that follow judge the version"
    return f"{len(chosen.holdout)} later {pipeline.block}s reserved for the gate"


def _close_request(job: Job, as_of: str, sentence: str) -> None:
    """Record why there is no training, and close the request for it."""
    ledger, now = Ledger.open(job.settings), datetime.now(UTC)
    verdict = Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, f"{Outcome.SUPPRESSED}: {sentence}")
    ledger.record(job.pipeline.name, as_of, job.run_id, verdict, now)
    ledger.close_request(job.pipeline.name, job.run_id, now)


if __name__ == "__main__":
    run(work, AssembleOptions)
