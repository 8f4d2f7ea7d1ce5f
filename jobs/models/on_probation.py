"""A version that was promoted and is judged by its predecessor: how that begins, and who the predecessor is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.ledger import Ledger
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations

if TYPE_CHECKING:
    from jobs.job import Job
    from tidewheel.ledger.tables import ModelVersionRow


def begin_probation(job: Job, version: ModelVersionRow, before: str) -> None:
    """Put a version on probation, where the pipeline says so and it takes another one's place.

    Args:
        job: of the promotion.
        version: becomes champion.
        before: whose place it takes; empty: it is the first.
    """
    if not job.pipeline.on_probation or not before:
        return
    probations = Probations(Ledger.open(job.settings))
    probations.begin(
        ProbationRow(
            pipeline=job.pipeline.name,
            version=version.version or "",
            predecessor=_predecessor(probations, job.pipeline.name, before),
            as_of=version.as_of,
            run_id=job.run_id,
            opened_at=datetime.now(UTC),
        )
    )


def _predecessor(probations: Probations, pipeline: str, before: str) -> str:
    """Whom a version is judged by: where the champion is on probation itself and did worse so far, its predecessor."""
    running = probations.open(pipeline)
    if running is None or running.version != before:
        return before
    days = probations.days(pipeline, running.version, running.predecessor)
    since = [day.difference for day in days if day.day.isoformat() > running.as_of]
    return running.predecessor if sum(since) > 0 else before
