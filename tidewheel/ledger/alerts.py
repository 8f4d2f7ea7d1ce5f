"""What the ledger keeps of alerts: open incidents, the outbox of messages, and tasks that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, delete, distinct, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from tidewheel.ledger.alert_tables import IncidentRow, MessageRow, TaskFailureRow
from tidewheel.ledger.audit import Act, append
from tidewheel.ledger.chain import Entry
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.section import LedgerSection

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

OPENED, REMINDER, RESOLVED = "opened", "reminder", "resolved"
"""Kinds of messages."""
LATEST = timedelta(hours=25)
"""Quiet hours and back-off put a message off by less than a day: one that is due later was dated by a wrong clock."""


@dataclass(frozen=True)
class Post:
    """A message to write into the outbox.

    Attributes:
        channel: where the channel's URL is held.
        kind: of the message.
        severity: of the incident.
        title: one line.
        body: the text.
        due_at: when to send it.
    """

    channel: str
    kind: str
    severity: str
    title: str
    body: str
    due_at: datetime


class AlertLog(LedgerSection):
    """The alerts of all pipelines."""

    # --- tasks that failed -----------------------------------------------------------------------------------------

    @idempotent
    def task_failed(self, pipeline: str, purpose: str, task_id: str, run_id: str, error: str, at: datetime) -> None:
        """Note that a task failed for good; one that had failed before keeps the time of its first failure."""
        key = _failure(pipeline, purpose, task_id)
        try:
            with self.ledger.session() as session:
                changed = update(TaskFailureRow).where(*key).values(run_id=run_id, error=error)
                if not session.execute(changed).rowcount:  # type: ignore[attr-defined]
                    session.add(
                        TaskFailureRow(
                            pipeline=pipeline,
                            purpose=purpose,
                            task_id=task_id,
                            run_id=run_id,
                            error=error,
                            failed_at=at,
                        )
                    )
        except IntegrityError:  # another run of the same task has failed at this very moment
            return

    @idempotent
    def task_succeeded(self, pipeline: str, purpose: str, task_id: str, at: datetime) -> None:
        """Note that a task succeeded: if it had failed before, it has recovered."""
        with self.ledger.session() as session:
            session.execute(update(TaskFailureRow).where(*_failure(pipeline, purpose, task_id)).values(recovered_at=at))

    @idempotent
    def close_failure(self, pipeline: str, subject: str, at: datetime, actor: str, reason: str) -> bool:
        """Close the failure of a task that nobody will run again.

        Args:
            pipeline: its name.
            subject: what the DAG is for, and the task, as an incident names them.
            at: the time.
            actor: who closes it.
            reason: why.

        Returns:
            Whether there was one.
        """
        purpose, _, task = subject.partition(" ")
        with self.ledger.session() as session:
            closed = update(TaskFailureRow).where(*_failure(pipeline, purpose, task)).values(recovered_at=at)
            if not session.execute(closed).rowcount:  # type: ignore[attr-defined]
                return False
            append(session, Entry(pipeline, Act.ALERT, subject, "closed", reason, actor, run_id="", at=at))
        return True

    @idempotent
    def failures(self) -> list[TaskFailureRow]:
        """Tasks that failed and have not succeeded since, oldest first."""
        query = select(TaskFailureRow).where(TaskFailureRow.recovered_at.is_(None)).order_by(TaskFailureRow.id)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    # --- incidents -------------------------------------------------------------------------------------------------

    @idempotent
    def open_incidents(self, pipeline: str | None = None) -> list[IncidentRow]:
        """Open incidents of a pipeline, or of all and of the platform, oldest first."""
        query = select(IncidentRow).where(IncidentRow.resolved_at.is_(None)).order_by(IncidentRow.id)
        if pipeline is not None:
            query = query.where(IncidentRow.pipeline == pipeline)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    def write(
        self,
        opened: Sequence[tuple[IncidentRow, Sequence[Post]]],
        reminded: Sequence[tuple[IncidentRow, Sequence[Post]]],
        resolved: Sequence[tuple[IncidentRow, Post]],
        changed: Sequence[IncidentRow],
        at: datetime,
    ) -> None:
        """Write what a round has changed, and its messages, all or nothing.

        A channel that has not taken the last message about an incident gets no reminder of it. If the incident ends
        meanwhile, the channel gets a single message: that it was open, and no longer is.

        Args:
            opened: new incidents, with their messages.
            reminded: incidents that are still open, with their messages.
            resolved: incidents that have ended; the message goes to each channel that was to hear of it.
            changed: open incidents with another sentence, action or severity than before.
            at: the time.
        """
        with self.ledger.session() as session:
            for row in changed:
                values = {"sentence": row.sentence, "action": row.action, "severity": row.severity}
                session.execute(update(IncidentRow).where(IncidentRow.id == row.id).values(**values))
            session.add_all(incident for incident, _ in opened)
            session.flush()
            session.add_all(_message(incident.id, post, at) for incident, posts in opened for post in posts)
            for incident, posts in reminded:
                waiting = set(session.scalars(select(MessageRow.channel).where(*_unsent(incident.id))))
                session.add_all(_message(incident.id, post, at) for post in posts if post.channel not in waiting)
                session.get_one(IncidentRow, incident.id).reminded_at = at
            for incident, post in resolved:
                _resolve(session, incident.id, post, at)

    @idempotent
    def forget(self, before: datetime) -> None:
        """Delete incidents that ended before a time, with their messages, and failures that are as long over."""
        ended = select(IncidentRow.id).where(IncidentRow.resolved_at < before)
        with self.ledger.session() as session:
            session.execute(delete(MessageRow).where(MessageRow.incident_id.in_(ended)))
            session.execute(delete(IncidentRow).where(IncidentRow.resolved_at < before))
            session.execute(delete(TaskFailureRow).where(TaskFailureRow.recovered_at < before))

    @idempotent
    def ended(self, before: datetime) -> int:
        """How many incidents and failures `forget` would delete."""
        rows = (
            select(IncidentRow.id).where(IncidentRow.resolved_at < before),
            select(TaskFailureRow.id).where(TaskFailureRow.recovered_at < before),
        )
        with self.ledger.session() as session:
            return sum(session.scalar(select(func.count()).select_from(query.subquery())) or 0 for query in rows)

    # --- the outbox ------------------------------------------------------------------------------------------------

    @idempotent
    def due(self, now: datetime) -> dict[str, list[MessageRow]]:
        """Messages to send now, by channel, oldest first."""
        time = or_(MessageRow.due_at <= now, MessageRow.due_at > now + LATEST)
        query = select(MessageRow).where(MessageRow.sent_at.is_(None), time).order_by(MessageRow.id)
        messages: dict[str, list[MessageRow]] = {}
        with self.ledger.session() as session:
            for row in session.scalars(query):
                messages.setdefault(row.channel, []).append(row)
        return messages

    @idempotent
    def waiting(self) -> Mapping[str, tuple[int, str]]:
        """By channel: how many messages it has not taken yet, and what the newest failed attempt said."""
        query = (
            select(MessageRow.channel, func.count(), func.max(MessageRow.error))
            .where(MessageRow.sent_at.is_(None))
            .group_by(MessageRow.channel)
        )
        with self.ledger.session() as session:
            return {channel: (count, error) for channel, count, error in session.execute(query)}

    @idempotent
    def sent_since(self, channel: str, since: datetime, now: datetime) -> int:
        """How many times a channel was sent something since a time; a digest counts once."""
        sent = MessageRow.sent_at.between(since, now)
        query = select(func.count(distinct(MessageRow.sent_at))).where(MessageRow.channel == channel, sent)
        with self.ledger.session() as session:
            return session.scalar(query) or 0

    @idempotent
    def sent(self, ids: Sequence[int], at: datetime) -> None:
        """Note that a channel has taken messages."""
        with self.ledger.session() as session:
            session.execute(update(MessageRow).where(MessageRow.id.in_(ids)).values(sent_at=at, error=""))

    @idempotent
    def put_off(self, ids: Sequence[int], error: str, due_at: datetime, attempts: int) -> None:
        """Note that a channel has not taken messages, and when to try again."""
        values = {"error": error, "due_at": due_at, "attempts": attempts}
        with self.ledger.session() as session:
            session.execute(update(MessageRow).where(MessageRow.id.in_(ids)).values(**values))


def _resolve(session: Session, incident: int, post: Post, at: datetime) -> None:
    about = select(MessageRow.channel, MessageRow.sent_at, MessageRow.due_at).where(MessageRow.incident_id == incident)
    due: dict[str, datetime] = {}
    for channel, sent_at, due_at in session.execute(about):
        due[channel] = due.get(channel, post.due_at) if sent_at else due_at
    session.execute(delete(MessageRow).where(*_unsent(incident)))
    session.add_all(
        _message(incident, replace(post, channel=channel, due_at=due_at), at) for channel, due_at in due.items()
    )
    session.get_one(IncidentRow, incident).resolved_at = at


def _failure(pipeline: str, purpose: str, task_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        TaskFailureRow.pipeline == pipeline,
        TaskFailureRow.purpose == purpose,
        TaskFailureRow.task_id == task_id,
        TaskFailureRow.recovered_at.is_(None),
    )


def _unsent(incident: int) -> tuple[ColumnElement[bool], ...]:
    return MessageRow.incident_id == incident, MessageRow.sent_at.is_(None)


def _message(incident: int, post: Post, at: datetime) -> MessageRow:
    return MessageRow(
        incident_id=incident,
        channel=post.channel,
        kind=post.kind,
        severity=post.severity,
        title=post.title,
        body=post.body,
        created_at=at,
        due_at=post.due_at,
        attempts=0,
        error="",
    )
