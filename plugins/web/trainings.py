"""The newest trainings of a pipeline: what became of it, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from plugins.web.attention import clause
from tidewheel.errors import LakeError, UsageError
from tidewheel.ledger.models import subject
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from tidewheel.lake import Lake
    from tidewheel.ledger.tables import ModelVersionRow, PromotionRow, VerdictRow
    from tidewheel.spec import Pipeline

SHOWN = 12


@dataclass(frozen=True)
class Cost:
    """What a training's job left in its record.

    Attributes:
        fits: models that were fitted.
        seconds: of the job, by the clock.
        cpu_seconds: of the job and its processes; 0 where an older release has not recorded them.
    """

    fits: int
    seconds: float
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Training:
    """One version and what became of it.

    Attributes:
        version: of the model.
        day: that it was trained as of.
        outcome: of the gate or of the reviewer: passed, refused, inconclusive; empty before.
        words: the gate's or the reviewer's sentence.
        promoted: whether it has been champion.
        run_id: Airflow's.
        cost: None where the run has left no record.
    """

    version: str
    day: str
    outcome: str
    words: str
    promoted: bool
    run_id: str
    cost: Cost | None = None


@dataclass(frozen=True)
class Spent:
    """What the trainings of the budget's period cost.

    Attributes:
        days: length of the period; 0 where the pipeline has no budget, and the newest trainings are counted.
        allowed: fits that come in a period.
        burst: fits that can be saved.
        fits: that were used.
        trainings: that used them.
        promoted: how many of them made a champion.
        seconds: by the clock.
        cpu_seconds: recorded; 0 where none was.
    """

    days: int
    allowed: int
    burst: int
    fits: int
    trainings: int
    promoted: int
    seconds: float
    cpu_seconds: float

    @property
    def seconds_each(self) -> float | None:
        """CPU seconds (clock seconds where those are not recorded) a promoted version; None where none was."""
        return (self.cpu_seconds or self.seconds) / self.promoted if self.promoted else None

    def price(self, cpu_hour: float) -> float:
        """Money, at a price of one CPU's hour."""
        return (self.cpu_seconds or self.seconds) / 3600 * cpu_hour


def train_cost(lake: Lake, run_id: str) -> Cost | None:
    """What the record of a run's training says; None where there is none that can be read."""
    try:
        record = read_record(lake, run_id, "train")
        return Cost(int(str(record.figures.get("fits", 1))), record.seconds, record.cpu_seconds)
    except (LakeError, UsageError, ValueError):  # no record, a cut-off one, or figures that are none
        return None


def trainings(
    versions: Sequence[ModelVersionRow],
    gates: Iterable[VerdictRow],
    promotions: Iterable[PromotionRow],
    costs: Mapping[str, Cost | None],
) -> list[Training]:
    """What became of each version, newest first.

    Args:
        versions: oldest first.
        gates: verdicts of gate and reviewers, oldest first: the newest about a version counts.
        promotions: of the pipeline.
        costs: by run id.
    """
    judged = {row.subject: row for row in gates}
    promoted = {row.version for row in promotions}
    return [
        Training(
            version=row.version or "",
            day=row.as_of,
            outcome=verdict.outcome if (verdict := judged.get(subject(row.version or ""))) else "",
            words=clause(verdict) if verdict else "The gate has not judged it yet.",
            promoted=row.version in promoted,
            run_id=row.run_id,
            cost=costs.get(row.run_id),
        )
        for row in reversed(versions)
    ]


def runs_that_count(pipeline: Pipeline, newest_day: str, versions: Sequence[ModelVersionRow]) -> list[str]:
    """Runs whose costs the page needs: those of the versions it shows, and of all in the budget's period.

    Args:
        pipeline: its `triggers.budget`.
        newest_day: the day that the period ends with.
        versions: oldest first.
    """
    first = _before_period(pipeline, newest_day)
    in_period = [row for row in versions[:-SHOWN] if first and row.as_of > first]
    return list(dict.fromkeys(row.run_id for row in [*in_period, *versions[-SHOWN:]]))


def _before_period(pipeline: Pipeline, newest_day: str) -> str:
    """The day before the budget's period; empty without a budget, or before the first night."""
    budget = pipeline.triggers.budget
    return str(date.fromisoformat(newest_day) - timedelta(days=budget.days)) if budget and newest_day else ""


def spent(pipeline: Pipeline, newest_day: str, done: Sequence[Training]) -> Spent:
    """Add up what the trainings of the budget's newest period cost.

    Args:
        pipeline: its `triggers.budget`.
        newest_day: the day that the period ends with.
        done: all trainings, newest first.
    """
    budget, first = pipeline.triggers.budget, _before_period(pipeline, newest_day)
    counted = [one for one in done if one.day > first] if first else done[:SHOWN]
    costs = [one.cost or Cost(1, 0.0) for one in counted]
    return Spent(
        days=budget.days if budget else 0,
        allowed=budget.fits if budget else 0,
        burst=budget.burst if budget else 0,
        fits=sum(cost.fits for cost in costs),
        trainings=len(counted),
        promoted=sum(one.promoted for one in counted),
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
    )
