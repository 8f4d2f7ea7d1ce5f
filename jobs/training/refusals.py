"""A training without a challenger: the verdict says why there is none, and the request for one is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.ledger import Ledger
from tidewheel.ledger.trainings import Trainings
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from jobs.job import Job


@contextmanager
def refusal_is_a_verdict(job: Job) -> Iterator[None]:
    """Write a refusal down before it ends the job: trying again does not help, so nobody should wait for this run.

    Args:
        job: a job of a training run.

    Raises:
        DataRefused: the data was refused.
        ModelRefused: the model was.
    """
    try:
        yield
    except (DataRefused, ModelRefused) as error:
        ledger, now = Ledger.open(job.settings), datetime.now(UTC)
        sentence = f"{Outcome.INCONCLUSIVE}: there is no challenger, and the champion stays: {error}"
        verdict = Verdict(Kind.GATE, Outcome.INCONCLUSIVE, sentence, {"as_of": str(job.partitions.last)})
        ledger.record(job.pipeline.name, f"as of {job.partitions.last}", job.run_id, verdict, now)
        Trainings(ledger).failed(job.pipeline.name, job.run_id, job.partitions.last, now)
        ledger.close_request(job.pipeline.name, job.run_id, now)
        raise
