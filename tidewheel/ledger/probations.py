"""What the ledger knows of versions on probation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, func, select

from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.probation_tables import PairedDayRow, ProbationRow
from tidewheel.ledger.section import LedgerSection
from tidewheel.ledger.training_rows import end_probation
from tidewheel.partitions import day_of
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RETURNED = Outcome.ROLLED_BACK
"""Outcome of one whose predecessor took its place again, by itself or by hand."""


class RunningProbation(NamedTuple):
    """A version on probation, and how many labelled days have judged it so far.

    Attributes:
        version: that serves.
        predecessor: whose place it took.
        as_of: the day that its training looked back from, YYYY-MM-DD: the days after it are judged.
        days: how many of them have labels.
        loss: mean of its loss over these days; None before the first.
        predecessor_loss: likewise.
    """

    version: str
    predecessor: str
    as_of: str
    days: int
    loss: float | None
    predecessor_loss: float | None


class Probations(LedgerSection):
    """The versions on probation of all pipelines."""

    @idempotent
    def open(self, pipeline: str) -> ProbationRow | None:
        """The version that is on probation now."""
        with self.ledger.session() as session:
            return _open(session, pipeline)

    @idempotent
    def all(self, pipeline: str) -> list[ProbationRow]:
        """All of a pipeline's, oldest first."""
        query = select(ProbationRow).where(ProbationRow.pipeline == pipeline).order_by(ProbationRow.id)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    @idempotent
    def begin(self, row: ProbationRow) -> None:
        """Put a version on probation, in place of one that is on it; a version that was put on it before is left alone.

        Args:
            row: has neither outcome nor end.
        """
        with self.ledger.session() as session:
            one_at_a_time(session, f"{row.pipeline} probation")
            same = ProbationRow.pipeline == row.pipeline, ProbationRow.version == row.version
            if session.scalars(select(ProbationRow).where(*same, ProbationRow.run_id == row.run_id)).first():
                return
            if (before := _open(session, row.pipeline)) is not None:
                words = f"version {row.version} took the place of version {before.version}, which was on probation"
                _close(session, before, Outcome.INCONCLUSIVE, words, None, row.opened_at)
                session.flush()
            session.add(row)

    @idempotent
    def close(self, row_id: int, outcome: Outcome, sentence: str, best_gain: float | None, at: datetime) -> None:
        """End a probation; one that has ended is left alone."""
        with self.ledger.session() as session:
            probation = session.get_one(ProbationRow, row_id)
            if probation.closed_at is None:
                _close(session, probation, outcome, sentence, best_gain, at)

    @idempotent
    def keep_days(self, pipeline: str, version: str, predecessor: str, days: Sequence[PairedDay], at: datetime) -> None:
        """Keep how two versions compare on some days, in place of what was measured of these days before."""
        with self.ledger.session() as session:
            for day in days:
                key = {"pipeline": pipeline, "version": version, "predecessor": predecessor}
                values = {**asdict(day), "day": str(day.day), "measured_at": at}
                session.merge(PairedDayRow(**key, **values))

    @idempotent
    def days(self, pipeline: str, version: str, predecessor: str) -> list[PairedDay]:
        """How two versions compare, oldest day first."""
        with self.ledger.session() as session:
            return paired_days(session, pipeline, version, predecessor)


def paired_days(session: Session, pipeline: str, version: str, predecessor: str) -> list[PairedDay]:
    """How two versions compare, oldest day first."""
    pair = PairedDayRow.version == version, PairedDayRow.predecessor == predecessor
    query = select(PairedDayRow).where(PairedDayRow.pipeline == pipeline, *pair).order_by(PairedDayRow.day)
    return [
        PairedDay(day_of(row.day), row.rows, row.loss, row.predecessor_loss, row.row_error)
        for row in session.scalars(query)
    ]


def running_probations(session: Session) -> dict[str, RunningProbation]:
    """Versions that are on probation, by pipeline."""
    same = and_(
        PairedDayRow.pipeline == ProbationRow.pipeline,
        PairedDayRow.version == ProbationRow.version,
        PairedDayRow.predecessor == ProbationRow.predecessor,
        PairedDayRow.day > ProbationRow.as_of,
    )
    row = ProbationRow.pipeline, ProbationRow.version, ProbationRow.predecessor, ProbationRow.as_of
    losses = func.avg(PairedDayRow.loss), func.avg(PairedDayRow.predecessor_loss)
    query = (
        select(*row, func.count(PairedDayRow.day), *losses)
        .outerjoin(PairedDayRow, same)
        .where(ProbationRow.closed_at.is_(None))
        .group_by(*row)
    )
    return {name: RunningProbation(*facts) for name, *facts in session.execute(query)}


def _open(session: Session, pipeline: str) -> ProbationRow | None:
    query = select(ProbationRow).where(ProbationRow.pipeline == pipeline, ProbationRow.closed_at.is_(None))
    return session.scalars(query).one_or_none()


def _close(
    session: Session, row: ProbationRow, outcome: Outcome, sentence: str, best_gain: float | None, at: datetime
) -> None:
    row.outcome, row.sentence, row.best_gain, row.closed_at = str(outcome), sentence, best_gain, at
    end_probation(session, row.pipeline, row.version, outcome, best_gain)
