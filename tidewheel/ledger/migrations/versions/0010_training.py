"""A training is a row. What verdicts, requests, versions and probations say of earlier ones is filled in.

What only the lake knows is left unknown: CPU seconds, and fits beyond the first and a refit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_NOBODY = ("lost", "retired")
"""Who has closed a request that no run has answered."""

_VERDICT = sa.table(
    "verdict",
    *(sa.column(name) for name in ("id", "pipeline", "kind", "subject", "run_id", "outcome")),
    sa.column("inputs", sa.JSON()),
    sa.column("thresholds", sa.JSON()),
    sa.column("decided_at", _TIME),
)
_VERSION = sa.table(
    "model_version",
    *(
        sa.column(name)
        for name in ("id", "pipeline", "version", "run_id", "as_of", "train_start", "train_end", "refit")
    ),
    sa.column("created_at", _TIME),
)
_PROBATION = sa.table("probation", *(sa.column(name) for name in ("id", "pipeline", "version", "outcome", "best_gain")))
_REQUEST = sa.table(
    "retrain_request",
    *(sa.column(name) for name in ("id", "pipeline", "reason", "requested_by", "day", "closed_by")),
    sa.column("asked_at", _TIME),
    sa.column("closed_at", _TIME),
)
Rows = dict[tuple[str, object], dict[str, Any]]
"""Trainings by pipeline and run, or by pipeline and the number of a request that no run has taken."""
Fired = Mapping[tuple[str, str], tuple[str, datetime]]
"""The role and the time of the newest decision to train, by pipeline and day."""


def upgrade() -> None:
    op.add_column(
        "retrain_request", sa.Column("requested_by", sa.String(length=20), server_default="person", nullable=False)
    )
    table = op.create_table(
        "training",
        sa.Column("id", _ID, nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("requested_by", sa.String(length=20), server_default="", nullable=False),
        sa.Column("requested_day", sa.String(length=30), nullable=True),
        sa.Column("requested_at", _TIME, nullable=True),
        sa.Column("run_id", sa.String(length=250), nullable=True),
        sa.Column("as_of", sa.String(length=10), server_default="", nullable=False),
        sa.Column("window_start", sa.String(length=10), server_default="", nullable=False),
        sa.Column("window_end", sa.String(length=10), server_default="", nullable=False),
        sa.Column("holdout", sa.JSON(), nullable=False),
        sa.Column("squared_error", sa.Float(), nullable=True),
        sa.Column("meaning", sa.JSON(), nullable=False),
        sa.Column("fits", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("cpu_seconds", sa.Float(), nullable=True),
        sa.Column("gpu_seconds", sa.Float(), nullable=True),
        sa.Column("version", sa.String(length=20), nullable=True),
        sa.Column("outcome", sa.String(length=20), server_default="", nullable=False),
        sa.Column("gain", sa.Float(), nullable=True),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("pipeline", "run_id", name="one_training_a_run"),
    )
    op.create_index(op.f("ix_training_pipeline"), "training", ["pipeline"], unique=False)
    bind = op.get_bind()
    fired = _fired(bind)
    rows = _judged(bind)
    _add_versions(bind, rows)
    _add_probations(bind, rows)
    _add_requests(bind, rows, fired)
    if rows:
        bind.execute(sa.insert(table), sorted(rows.values(), key=lambda row: row["opened_at"]))


def downgrade() -> None:
    op.drop_table("training")
    op.drop_column("retrain_request", "requested_by")


def _fired(bind: sa.Connection) -> Fired:
    query = sa.select(_VERDICT).where(_VERDICT.c.kind == "trigger", _VERDICT.c.outcome == "fired")
    return {
        (row.pipeline, row.subject): (row.inputs.get("role") or "routine", _in_utc(row.decided_at))
        for row in bind.execute(query.order_by(_VERDICT.c.decided_at, _VERDICT.c.id))
    }


def _judged(bind: sa.Connection) -> Rows:
    """What gate and reviewers have said, by run: a run that was judged again is known by the newer verdict."""
    rows: Rows = {}
    made: dict[tuple[str, str], dict[str, Any]] = {}
    query = sa.select(_VERDICT).where(_VERDICT.c.kind.in_(["gate", "review"]))
    for row in bind.execute(query.order_by(_VERDICT.c.decided_at, _VERDICT.c.id)):
        key, at = (row.pipeline, row.run_id), _in_utc(row.decided_at)
        if row.kind == "gate" and "override" not in row.inputs:
            rows[key] = _new(*key, at) | _of_gate(row) | {"closed_at": at}
            made[row.pipeline, rows[key]["version"]] = rows[key]
        elif row.kind == "review" and (training := made.get((row.pipeline, str(row.inputs.get("version"))))):
            training["outcome"] = row.outcome  # whatever run the reviewer was asked by
    return rows


def _of_gate(row: Any) -> dict[str, Any]:
    found, learned = row.inputs, row.thresholds.get("learned")
    as_of = {"as_of": str(found["as_of"])} if found.get("as_of") else {}
    if "version" not in found:
        return {**as_of, "outcome": "failed"}
    rmse = (found.get("challenger") or {}).get("rmse")
    return {
        **as_of,
        "outcome": row.outcome,
        "version": str(found["version"]),
        "holdout": [] if learned else list(found.get("holdout") or ()),
        "squared_error": None if rmse is None or learned else rmse**2,
        "meaning": found.get("meaning") or {},
        "gain": None if learned else _gain(found, str(row.thresholds.get("metric"))),
    }


def _gain(found: Mapping[str, Any], metric: str) -> float | None:
    """How much better than the champion a challenger can be at best, as a share of the champion's figure."""
    champion = (found.get("champion") or {}).get(metric)
    difference, bound = found.get("loss_difference"), found.get("upper_bound")
    return (
        (bound - 2 * difference) / abs(champion) if champion and difference is not None and bound is not None else None
    )


def _add_versions(bind: sa.Connection, rows: Rows) -> None:
    for row in bind.execute(sa.select(_VERSION).order_by(_VERSION.c.id)):
        at = _in_utc(row.created_at)
        training = rows.setdefault((row.pipeline, row.run_id), _new(row.pipeline, row.run_id, at))
        if training["closed_at"] is not None and training["version"] not in (None, row.version):
            continue  # an earlier one of the same run
        training.update(
            version=row.version,
            as_of=training["as_of"] or row.as_of,
            window_start=row.train_start,
            window_end=row.train_end,
            fits=2 if row.refit else 1,
            opened_at=min(training["opened_at"], at),
        )


def _add_probations(bind: sa.Connection, rows: Rows) -> None:
    made = {(row["pipeline"], row["version"]): row for row in rows.values() if row["version"]}
    for row in bind.execute(sa.select(_PROBATION).order_by(_PROBATION.c.id)):
        if (training := made.get((row.pipeline, row.version))) is not None:
            training["gain"] = row.best_gain
            if row.outcome == "rolled_back":
                training["outcome"] = row.outcome


def _add_requests(bind: sa.Connection, rows: Rows, fired: Fired) -> None:
    for row in list(bind.execute(sa.select(_REQUEST).order_by(_REQUEST.c.id))):
        asked = _in_utc(row.asked_at)
        role, at = fired.get((row.pipeline, row.day or ""), ("routine", asked))
        if row.reason.startswith("fired: "):
            bind.execute(sa.update(_REQUEST).where(_REQUEST.c.id == row.id).values(requested_by=role))
        if row.day is None:
            continue
        run_id = row.closed_by if row.closed_by and row.closed_by not in _NOBODY else None
        training = rows.setdefault((row.pipeline, run_id or row.id), _new(row.pipeline, run_id, asked))
        training.update(requested_by=role, requested_day=row.day, requested_at=max(asked, at))
        training["opened_at"] = min(training["opened_at"], asked)
        if row.closed_at is not None and training["closed_at"] is None:
            training.update(outcome="failed", closed_at=_in_utc(row.closed_at))


def _new(pipeline: str, run_id: str | None, opened_at: datetime) -> dict[str, Any]:
    texts = dict.fromkeys(("requested_by", "as_of", "window_start", "window_end", "outcome"), "")
    unknown = ("requested_day", "requested_at", "squared_error", "fits", "version", "gain", "closed_at")
    of_run = {"pipeline": pipeline, "run_id": run_id, "opened_at": opened_at}
    return {**of_run, **texts, **dict.fromkeys(unknown), "holdout": [], "meaning": {}}


def _in_utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite knows no time zones
