"""What a reviewer says of a version: a row of the ledger with the reviewer's name, and a copy of it for the eye."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.models import registry
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import subject
from tidewheel.ledger.trainings import Trainings
from tidewheel.policies.verdict import Kind, Outcome, Verdict

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings


def keep_review(
    settings: Settings, version: ModelVersionRow, said: str, reviewer: str, reason: str, run_id: str, actor: str
) -> str:
    """Write down what a reviewer said.

    Args:
        settings: of this installation.
        version: that was reviewed.
        said: `approved` or `rejected`.
        reviewer: who said it; empty where nobody answered in time.
        reason: why.
        run_id: of the run that asked.
        actor: the reviewer, and where that name is from.

    Returns:
        The same in words.
    """
    by = f" by {reviewer}" if reviewer else ": nobody answered in time"
    sentence = f"{said}{by}" + (f": {reason}" if reason else "")
    number = version.version or ""
    verdict = Verdict(
        Kind.REVIEW,
        Outcome.PASSED if said == registry.APPROVED else Outcome.REFUSED,
        sentence,
        {"version": number, "reviewer": reviewer, "reason": reason},
    )
    ledger = Ledger.open(settings)
    ledger.record(version.pipeline, subject(number), run_id, verdict, datetime.now(UTC), actor=actor)
    Trainings(ledger).reviewed(version.pipeline, number, verdict.outcome)
    tags = {registry.REVIEW: said, registry.REVIEWER: reviewer, registry.REVIEW_REASON: reason}
    registry.tag_version(settings, version, tags)
    return sentence
