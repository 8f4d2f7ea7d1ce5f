"""Versions on probation, and the days that judge them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("model_version", sa.Column("learned_since", sa.String(length=10), server_default="", nullable=False))
    op.create_table(
        "probation",
        sa.Column("id", _ID, nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("predecessor", sa.String(length=20), nullable=False),
        sa.Column("as_of", sa.String(length=10), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.Column("sentence", sa.Text(), server_default="", nullable=False),
        sa.Column("best_gain", sa.Float(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_probation_pipeline"), "probation", ["pipeline"], unique=False)
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "one_open_probation", "probation", ["pipeline"], unique=True, postgresql_where=is_open, sqlite_where=is_open
    )
    op.create_table(
        "paired_day",
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("predecessor", sa.String(length=20), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        sa.Column("predecessor_loss", sa.Float(), nullable=False),
        sa.Column("row_error", sa.Float(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "version", "predecessor", "day"),
    )


def downgrade() -> None:
    op.drop_table("paired_day")
    op.drop_table("probation")
    op.drop_column("model_version", "learned_since")
