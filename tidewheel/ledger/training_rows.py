"""How requests and runs open, claim and close rows of trainings, inside a transaction of the ledger."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from tidewheel.ledger.tables import RetrainRequestRow
from tidewheel.ledger.training_tables import FAILED, TrainingRow
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.policies.trigger.restraints import Role


def request_row(session: Session, request: RetrainRequestRow, by: Role, at: datetime) -> None:
    """Open the row of a training that monitoring requests; requested again on the same day, it is the same row."""
    row = _requested(session, request)
    if row is None:
        row = TrainingRow(pipeline=request.pipeline, requested_day=request.day, opened_at=at)
        session.add(row)
    row.requested_by, row.requested_at = str(by), at
    session.flush()


def abandon_row(session: Session, request: RetrainRequestRow, at: datetime) -> None:
    """Close the row of a training that was requested and that nobody will run any more."""
    if (row := _requested(session, request)) is not None:
        row.outcome, row.closed_at = FAILED, at


def answer_row(session: Session, request: RetrainRequestRow, run_id: str, at: datetime) -> None:
    """Give a request to the run that has answered it, which may have begun before the request was made."""
    own, waiting = of_run(session, request.pipeline, run_id), _requested(session, request)
    if waiting is not None and waiting is not own:
        own = _claim(session, waiting, own, run_id, at)
    if own is not None and own.closed_at is None:
        own.outcome, own.closed_at = own.outcome or FAILED, at


def of_run(session: Session, pipeline: str, run_id: str) -> TrainingRow | None:
    """The row of a run."""
    query = select(TrainingRow).where(TrainingRow.pipeline == pipeline, TrainingRow.run_id == run_id)
    return session.scalars(query).one_or_none()


def of_version(session: Session, pipeline: str, version: str) -> TrainingRow | None:
    """The row of the training that has made a version."""
    query = select(TrainingRow).where(TrainingRow.pipeline == pipeline, TrainingRow.version == version)
    return session.scalars(query.order_by(TrainingRow.id.desc()).limit(1)).one_or_none()


def waiting_row(session: Session, pipeline: str) -> TrainingRow | None:
    """The open row of the open request, begun or not."""
    query = select(RetrainRequestRow).where(
        RetrainRequestRow.pipeline == pipeline, RetrainRequestRow.closed_at.is_(None)
    )
    request = session.scalars(query).one_or_none()
    return None if request is None else _requested(session, request)


def begun_row(session: Session, pipeline: str, run_id: str, at: datetime) -> TrainingRow:
    """The row of a run; one that has none yet takes the open request, or opens a row without one."""
    if (own := of_run(session, pipeline, run_id)) is not None:
        return own
    if (waiting := waiting_row(session, pipeline)) is not None:
        return _claim(session, waiting, None, run_id, at)
    return _new(session, pipeline, run_id, at)


def end_probation(session: Session, pipeline: str, version: str, outcome: Outcome, gain: float | None) -> None:
    """Note what probation has shown of a version; one that was sent back has not changed anything."""
    if (row := of_version(session, pipeline, version)) is not None:
        row.gain = gain
        if outcome is Outcome.ROLLED_BACK:
            row.outcome = str(outcome)


def _requested(session: Session, request: RetrainRequestRow) -> TrainingRow | None:
    if request.day is None:
        return None
    query = select(TrainingRow).where(
        TrainingRow.pipeline == request.pipeline,
        TrainingRow.requested_day == request.day,
        TrainingRow.closed_at.is_(None),
    )
    return session.scalars(query.order_by(TrainingRow.id.desc()).limit(1)).one_or_none()


def _claim(session: Session, waiting: TrainingRow, own: TrainingRow | None, run_id: str, at: datetime) -> TrainingRow:
    """Move a request to the row of a run; another run that had begun it keeps its row, without the request."""
    if own is None and waiting.run_id is None:
        waiting.run_id = run_id
        return waiting
    own = own or _new(session, waiting.pipeline, run_id, at)
    own.requested_by, own.requested_day, own.requested_at = (
        waiting.requested_by,
        waiting.requested_day,
        waiting.requested_at,
    )
    if waiting.run_id is None:
        session.delete(waiting)
    else:
        waiting.requested_by, waiting.requested_day, waiting.requested_at = "", None, None
    session.flush()
    return own


def _new(session: Session, pipeline: str, run_id: str, at: datetime) -> TrainingRow:
    row = TrainingRow(pipeline=pipeline, run_id=run_id, opened_at=at)
    session.add(row)
    session.flush()
    return row
