"""The ledger's tables of alerts: incidents, the messages about them, and tasks that failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tidewheel.ledger.tables import Table

_Id = BigInteger().with_variant(Integer, "sqlite")
SUBJECT, ADDRESS = 400, 300
"""Characters of what an incident is about, and of where a channel's URL is held."""


def _unique_while(open_column: str, name: str, *columns: str) -> Index:
    is_open = text(f"{open_column} IS NULL")
    return Index(name, *columns, unique=True, postgresql_where=is_open, sqlite_where=is_open)


class IncidentRow(Table):
    """Something that needs attention, from when it was first true until it no longer is.

    `pipeline` is empty for an incident of the platform. `event` and `subject` identify it: a pipeline has at most one
    open incident of each.
    """

    __tablename__ = "alert_incident"
    __table_args__ = (_unique_while("resolved_at", "one_open_incident", "pipeline", "event", "subject"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    event: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(SUBJECT))
    severity: Mapped[str] = mapped_column(String(10))
    sentence: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    link: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    reminded_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class MessageRow(Table):
    """A message to a channel, from when it was written until the channel has taken it.

    `channel` says where its URL is held, so that pipelines that name the same place share the channel. `attempts` and
    `error` are of attempts that failed; the next one is made at `due_at`.
    """

    __tablename__ = "alert_message"
    __table_args__ = (
        Index("messages_of_an_incident", "incident_id"),
        Index("messages_of_a_channel", "channel", "sent_at"),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("alert_incident.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(ADDRESS))
    kind: Mapped[str] = mapped_column(String(10))
    severity: Mapped[str] = mapped_column(String(10))
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None]


class TaskFailureRow(Table):
    """A task of a pipeline's DAG failed for good; `recovered_at` is when the same task next succeeded."""

    __tablename__ = "task_failure"
    __table_args__ = (_unique_while("recovered_at", "one_open_failure", "pipeline", "purpose", "task_id"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    purpose: Mapped[str] = mapped_column(String(20))
    task_id: Mapped[str] = mapped_column(String(250))
    run_id: Mapped[str] = mapped_column(String(250))
    error: Mapped[str] = mapped_column(Text)
    failed_at: Mapped[datetime]
    recovered_at: Mapped[datetime | None]
