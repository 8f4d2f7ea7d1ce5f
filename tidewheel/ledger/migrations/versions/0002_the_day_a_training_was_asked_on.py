"""The day a training was asked on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("retrain_request", sa.Column("day", sa.String(length=30), nullable=True))


def downgrade() -> None:
    op.drop_column("retrain_request", "day")
