"""Incidents, the messages about them, and tasks that failed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alert_incident",
        sa.Column("id", _ID, nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=400), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_alert_incident_pipeline"), "alert_incident", ["pipeline"], unique=False)
    is_open = sa.text("resolved_at IS NULL")
    op.create_index(
        "one_open_incident",
        "alert_incident",
        ["pipeline", "event", "subject"],
        unique=True,
        postgresql_where=is_open,
        sqlite_where=is_open,
    )
    op.create_table(
        "alert_message",
        sa.Column("id", _ID, nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["alert_incident.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("messages_of_an_incident", "alert_message", ["incident_id"], unique=False)
    op.create_index("messages_of_a_channel", "alert_message", ["channel", "sent_at"], unique=False)
    op.create_table(
        "task_failure",
        sa.Column("id", _ID, nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recovered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_task_failure_pipeline"), "task_failure", ["pipeline"], unique=False)
    failed = sa.text("recovered_at IS NULL")
    op.create_index(
        "one_open_failure",
        "task_failure",
        ["pipeline", "purpose", "task_id"],
        unique=True,
        postgresql_where=failed,
        sqlite_where=failed,
    )


def downgrade() -> None:
    op.drop_table("task_failure")
    op.drop_table("alert_message")
    op.drop_table("alert_incident")
