"""The trainings so far as the trigger policy counts them, from their rows in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.ledger.training_tables import FAILED
from tidewheel.ledger.trainings import Trainings
from tidewheel.partitions import day_of
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.training_tables import TrainingRow


def attempts(ledger: Ledger, pipeline: str, now: datetime) -> list[Attempt]:
    """Trainings so far, oldest first: those that the trigger requested, and those of a person's or another's.

    All of them: a row of refused challengers, or of such as did not pay, may reach back for years. A run that nobody
    requested counts once it has ended: it may have been given up.

    Args:
        ledger: holds their rows.
        pipeline: its name.
        now: says how long one that is not judged has been running.
    """
    found = [_attempt(row, now) for row in Trainings(ledger).all(pipeline) if row.requested_day or row.closed_at]
    return sorted((attempt for attempt in found if attempt), key=lambda attempt: attempt.as_of)


def _attempt(row: TrainingRow, now: datetime) -> Attempt | None:
    ended = _ended(row)
    # what a run that has not ended looks back from does not count: a night that is run again is to decide the same
    days = [row.requested_day, row.as_of if ended is not Ended.RUNNING else None]
    if not (known := [day_of(day) for day in days if day]):
        return None
    return Attempt(
        as_of=max(known),
        ended=ended,
        fits=row.fits or 1,
        best_gain=row.gain,
        cpu_seconds=row.cpu_seconds,
        waited_days=_waited_days(row, now) if ended is Ended.RUNNING else None,
    )


def _ended(row: TrainingRow) -> Ended:
    if row.closed_at is None:
        return Ended.RUNNING
    if row.outcome == FAILED:
        return Ended.FAILED
    return Ended.PROMOTED if row.outcome == Outcome.PASSED else Ended.REJECTED


def _waited_days(row: TrainingRow, now: datetime) -> int:
    """Whole days by the clock since monitoring requested it; a person's request may have waited for it before."""
    requested = row.requested_at or row.opened_at
    return (now - (requested if requested.tzinfo else requested.replace(tzinfo=UTC))).days  # SQLite knows no time zones
