"""The ledger's table of what tasks took. One row counts a task and an outcome: it does not grow with the nights."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tidewheel.ledger.tables import Table


class TaskRunsRow(Table):
    """How often a task of a pipeline's DAG has ended in this way, and how long it took; `purpose` is the DAG's."""

    __tablename__ = "task_runs"

    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(250), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(20), primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    last_seconds: Mapped[float]
    last_ended_at: Mapped[datetime]
