"""The ledger's table of trainings: one row each, filled in by the jobs as they go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tidewheel.ledger.tables import Table

FAILED = "failed"
"""Outcome of a training that never came to a challenger, beside those of a verdict."""
_Id = BigInteger().with_variant(Integer, "sqlite")


class TrainingRow(Table):
    """One training: who requested it, what it learned from, what it cost and what came of it.

    Monitoring opens the row of a training that it requests, `assemble` that of any other; the jobs fill it in.
    `run_id` is null until a run has begun it, `closed_at` until its outcome is known. A column that is null, or empty
    text, is unknown.

    Attributes:
        requested_by: the role on whose behalf monitoring requested it (`tidewheel.policies.trigger.restraints.Role`);
            empty where a run was started without a request.
        requested_day: the partition on which monitoring requested it.
        as_of: the day that it looked back from.
        window_start: first day that it learned from.
        window_end: last day that it learned from.
        holdout: days that the gate judged it on, each by the content of its features and labels; empty where it was
            judged on days that it had learned from.
        squared_error: of its predictions on the holdout, mean; regression only.
        meaning: the line by which its predictions are read where they are off by construction; empty: as they are.
        fits: models that were fitted.
        seconds: by the clock, of fitting and logging.
        cpu_seconds: of the same, of the job's process and the children it waited for; a killed attempt is not counted.
        gpu_seconds: of the same, times the GPUs that the pod held (`resources.train.gpu`).
        version: of the model that it made.
        outcome: of the gate, then of a reviewer, then of probation: `passed`, `refused`, `inconclusive`,
            `rolled_back`; `failed` where there was no challenger; empty while it runs.
        gain: how much better than the champion it can be at best, as a share of the champion's loss.
    """

    __tablename__ = "training"
    __table_args__ = (UniqueConstraint("pipeline", "run_id", name="one_training_a_run"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    requested_by: Mapped[str] = mapped_column(String(20), default="", server_default="")
    requested_day: Mapped[str | None] = mapped_column(String(30))
    requested_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(String(250))
    as_of: Mapped[str] = mapped_column(String(10), default="", server_default="")
    window_start: Mapped[str] = mapped_column(String(10), default="", server_default="")
    window_end: Mapped[str] = mapped_column(String(10), default="", server_default="")
    holdout: Mapped[list[Any]] = mapped_column(JSON, default=list)
    squared_error: Mapped[float | None]
    meaning: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    fits: Mapped[int | None]
    seconds: Mapped[float | None]
    cpu_seconds: Mapped[float | None]
    gpu_seconds: Mapped[float | None]
    version: Mapped[str | None] = mapped_column(String(20))
    outcome: Mapped[str] = mapped_column(String(20), default="", server_default="")
    gain: Mapped[float | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
