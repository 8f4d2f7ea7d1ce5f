"""How often the tasks of a pipeline's DAGs ended in which way, and how long they took."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "task_runs",
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("task_id", sa.String(length=250), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("last_seconds", sa.Float(), nullable=False),
        sa.Column("last_ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "purpose", "task_id", "outcome"),
    )


def downgrade() -> None:
    op.drop_table("task_runs")
