"""What callers got of each version, by the minute, and how far the routers' counters were read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "traffic",
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("colour", sa.String(length=10), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "colour", "version", "seconds", "start"),
    )
    op.create_index(op.f("ix_traffic_start"), "traffic", ["start"], unique=False)
    op.create_table(
        "router_reading",
        sa.Column("router", sa.String(length=250), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uptime_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("router"),
    )
    op.create_table(
        "router_total",
        sa.Column("router", sa.String(length=250), nullable=False),
        sa.Column("service", sa.String(length=80), nullable=False),
        sa.Column("counted", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("router", "service"),
    )


def downgrade() -> None:
    op.drop_table("router_total")
    op.drop_table("router_reading")
    op.drop_index(op.f("ix_traffic_start"), table_name="traffic")
    op.drop_table("traffic")
