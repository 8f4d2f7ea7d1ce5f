"""Model versions with the digests of their files, promotions, and who decided."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=True),
        sa.Column("mlflow_run", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=False),
        sa.Column("as_of", sa.String(length=10), nullable=False),
        sa.Column("train_start", sa.String(length=10), nullable=False),
        sa.Column("train_end", sa.String(length=10), nullable=False),
        sa.Column("judged_train_end", sa.String(length=10), server_default="", nullable=False),
        sa.Column("refit", sa.Text(), server_default="", nullable=False),
        sa.Column("estimator", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("importances", sa.JSON(), nullable=False),
        sa.Column("bento", sa.JSON(), nullable=False),
        sa.Column("compared_with", sa.String(length=20), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("adopted_by", sa.String(length=200), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("pipeline", "version", name="one_row_a_version"),
    )
    op.create_index(op.f("ix_model_version_pipeline"), "model_version", ["pipeline"], unique=False)
    op.create_table(
        "promotion",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("version", sa.String(length=20), nullable=False),
        sa.Column("previous_version", sa.String(length=20), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_promotion_pipeline"), "promotion", ["pipeline"], unique=False)
    op.add_column("verdict", sa.Column("actor", sa.String(length=200), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("verdict", "actor")
    op.drop_index(op.f("ix_promotion_pipeline"), table_name="promotion")
    op.drop_table("promotion")
    op.drop_index(op.f("ix_model_version_pipeline"), table_name="model_version")
    op.drop_table("model_version")
