"""What a reviewer says of a version: a row of the ledger with the reviewer's name, and a copy of it for the eye."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class GivenReview:
    """A review of a version.

    Attributes:
        outcome: `approved` or `rejected`.
        reviewer: who gives it; empty where nobody answered in time.
        reason: why.
        actor: the reviewer, and where that name is from.
    """

    outcome: str
    reviewer: str
    reason: str
    actor: str

    @property
    def sentence(self) -> str:
        """The review in words."""
        by = f" by {self.reviewer}" if self.reviewer else ": nobody answered in time"
        return f"{self.outcome}{by}" + (f": {self.reason}" if self.reason else "")


def record_review(settings: Settings, version: ModelVersionRow, review: GivenReview, run_id: str) -> str:
    """Record a review.

    Args:
        settings: of this installation.
        version: that was reviewed.
        review: of it.
        run_id: of the run that requested it.

    Returns:
        The review in words.
    """
    number = version.version or ""
    verdict = Verdict(
        Kind.REVIEW,
        Outcome.PASSED if review.outcome == registry.APPROVED else Outcome.REFUSED,
        review.sentence,
        {"version": number, "reviewer": review.reviewer, "reason": review.reason},
    )
    ledger = Ledger.open(settings)
    ledger.record(version.pipeline, subject(number), run_id, verdict, datetime.now(UTC), actor=review.actor)
    Trainings(ledger).reviewed(version.pipeline, number, verdict.outcome)
    tags = {registry.REVIEW: review.outcome, registry.REVIEWER: review.reviewer, registry.REVIEW_REASON: review.reason}
    registry.tag_version(settings, version, tags)
    return review.sentence
