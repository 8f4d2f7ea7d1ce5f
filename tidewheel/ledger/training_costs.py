"""What trainings took in a calendar month, by pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tidewheel.ledger.training_tables import TrainingRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class TrainingCost:
    """What some trainings took.

    Attributes:
        trainings: how many were begun.
        cpu_seconds: of fitting and logging, as far as it is recorded: a killed attempt is not.
        gpu_seconds: of the same, times the GPUs that were held.
    """

    trainings: int = 0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def __add__(self, other: TrainingCost) -> TrainingCost:
        return TrainingCost(
            self.trainings + other.trainings,
            self.cpu_seconds + other.cpu_seconds,
            self.gpu_seconds + other.gpu_seconds,
        )


def month_of(now: datetime) -> datetime:
    """When the calendar month of a time begins, in UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_costs(session: Session, now: datetime) -> dict[str, TrainingCost]:
    """What the trainings that were opened this month took, by pipeline.

    Args:
        session: of the ledger.
        now: the time; its calendar month in UTC is looked at.
    """
    query = (
        select(
            TrainingRow.pipeline,
            func.count(),
            func.sum(TrainingRow.cpu_seconds),
            func.sum(TrainingRow.gpu_seconds),
        )
        .where(TrainingRow.opened_at >= month_of(now), TrainingRow.run_id.is_not(None))
        .group_by(TrainingRow.pipeline)
    )
    return {
        name: TrainingCost(count, float(cpu or 0), float(gpu or 0)) for name, count, cpu, gpu in session.execute(query)
    }
