"""A release may be asked back."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("release", sa.Column("asked_back", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("release", "asked_back")
