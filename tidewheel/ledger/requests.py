"""Requests for a training: a person or the trigger asks, and a run answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError

from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.tables import RetrainRequestRow
from tidewheel.ledger.training_rows import abandon_row, answer_row, request_row
from tidewheel.policies.trigger.restraints import Role

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy.orm import Session

LOST = "lost"
"""Who has closed a request that no training ever answered."""


class TrainingRequests(ABC):
    """What a ledger does with requests for a training."""

    patience_seconds: float

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """One transaction."""

    @idempotent
    def request_training(self, pipeline: str, reason: str, at: datetime, by: Role = Role.PERSON) -> bool:
        """Ask for a new challenger. Returns False if a request is open already: one is enough."""
        try:
            with self.session() as session:
                session.add(RetrainRequestRow(pipeline=pipeline, reason=reason, requested_by=str(by), asked_at=at))
        except IntegrityError:
            return False
        return True

    @idempotent
    def fire_request(self, pipeline: str, day: str, reason: str, at: datetime, by: Role = Role.ROUTINE) -> int | None:
        """The trigger requests a training on a day, and opens its row. Requested twice on one day, it is one request.

        A request that a person left becomes this one; an earlier day's that was never answered is closed as lost.

        Args:
            pipeline: its name.
            day: the partition that monitoring looks at.
            reason: why, for a person.
            at: when.
            by: on whose behalf.

        Returns:
            The number of the request; None where one was answered this very moment.
        """
        self.request_training(pipeline, reason, at, by)
        with self.session() as session:
            one_at_a_time(session, f"{pipeline} training")
            row = session.scalars(_open_requests(pipeline).with_for_update()).one_or_none()
            if row is None:
                return None
            if row.day is None:
                row.day = day
            elif row.day != day:
                abandon_row(session, row, at)
                row.closed_at, row.closed_by = at, LOST
                session.flush()
                row = RetrainRequestRow(pipeline=pipeline, reason=reason, day=day, requested_by=str(by), asked_at=at)
                session.add(row)
                session.flush()
            request_row(session, row, by, at)
            return row.id

    @idempotent
    def requests(self, pipeline: str, limit: int | None = 50) -> list[RetrainRequestRow]:
        """The newest wishes (None: all), newest first."""
        query = select(RetrainRequestRow).where(RetrainRequestRow.pipeline == pipeline)
        with self.session() as session:
            return list(session.scalars(query.order_by(RetrainRequestRow.id.desc()).limit(limit)))

    @idempotent
    def open_request(self, pipeline: str) -> RetrainRequestRow | None:
        """The request that no training has answered yet."""
        with self.session() as session:
            return session.scalars(_open_requests(pipeline)).one_or_none()

    @idempotent
    def close_request(self, pipeline: str, run_id: str, at: datetime) -> None:
        """A training run has answered the open request, whatever came of it; nothing happens where there is none."""
        with self.session() as session:
            one_at_a_time(session, f"{pipeline} training")
            for row in session.scalars(_open_requests(pipeline).with_for_update()):
                answer_row(session, row, run_id, at)
                row.closed_at, row.closed_by = at, run_id

    @idempotent
    def withdraw_request(self, pipeline: str, why: str, at: datetime) -> None:
        """Close the open request without an answer; nothing happens where there is none."""
        with self.session() as session:
            one_at_a_time(session, f"{pipeline} training")
            for row in session.scalars(_open_requests(pipeline).with_for_update()):
                abandon_row(session, row, at)
                row.closed_at, row.closed_by = at, why


def _open_requests(pipeline: str) -> Select[RetrainRequestRow]:
    return select(RetrainRequestRow).where(
        RetrainRequestRow.pipeline == pipeline, RetrainRequestRow.closed_at.is_(None)
    )
