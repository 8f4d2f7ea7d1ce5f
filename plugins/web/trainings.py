"""The newest trainings of a pipeline: what became of it, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugins.web.attention import clause
from tidewheel.ledger.models import subject
from tidewheel.partitions import day_of
from tidewheel.policies.trigger.budget import left_words

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ModelVersionRow, PromotionRow, VerdictRow
    from tidewheel.ledger.training_tables import TrainingRow
    from tidewheel.spec import Pipeline

SHOWN = 12


@dataclass(frozen=True)
class Cost:
    """What a training took; 0 seconds where it was trained by an older release, which has not recorded them.

    Attributes:
        fits: models that were fitted.
        seconds: of fitting, by the clock.
        cpu_seconds: of the process that fitted, and of its children.
        gpu_seconds: seconds times the GPUs that it held.
    """

    fits: int
    seconds: float
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def price(self, prices: Prices) -> float:
        """Money."""
        return prices.of(self.cpu_seconds or self.seconds, self.gpu_seconds)


@dataclass(frozen=True)
class Prices:
    """What computing costs; 0 where nobody has declared it.

    Attributes:
        cpu_hour: an hour of one CPU.
        gpu_hour: an hour of one GPU.
        currency: of both.
    """

    cpu_hour: float
    gpu_hour: float
    currency: str

    @property
    def known(self) -> bool:
        """Whether there is a price at all."""
        return bool(self.cpu_hour or self.gpu_hour)

    def of(self, cpu_seconds: float, gpu_seconds: float) -> float:
        """Money."""
        return (cpu_seconds * self.cpu_hour + gpu_seconds * self.gpu_hour) / 3600


@dataclass(frozen=True)
class TrainedVersion:
    """One version and what became of it.

    Attributes:
        version: of the model.
        day: that it was trained as of.
        outcome: of the gate, of the reviewer or of probation; empty before.
        words: the gate's or the reviewer's sentence.
        promoted: whether it has been champion.
        run_id: Airflow's.
        cost: None where the ledger has no row of the training.
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
        days: length of the period by the calendar; 0 where the pipeline has no budget, and the newest trainings
            are counted.
        allowed: fits that come in a period; 0 where the budget is in seconds.
        allowed_seconds: CPU seconds that come in a period; 0 where the budget is in fits.
        burst: fits, or trainings of the usual cost, that can be saved.
        left: what was left when the trigger last decided, in words; empty where that is unknown.
        fits: that were used.
        trainings: that used them.
        promoted: how many of them made a champion.
        seconds: by the clock.
        cpu_seconds: recorded; 0 where none was.
        gpu_seconds: recorded; 0 where no GPU was held.
    """

    days: int
    allowed: int
    allowed_seconds: float
    burst: int
    left: str
    fits: int
    trainings: int
    promoted: int
    seconds: float
    cpu_seconds: float
    gpu_seconds: float

    @property
    def seconds_each(self) -> float | None:
        """CPU seconds (clock seconds where those are not recorded) a promoted version; None where none was."""
        return (self.cpu_seconds or self.seconds) / self.promoted if self.promoted else None

    def price(self, prices: Prices) -> float:
        """Money, of all trainings."""
        return prices.of(self.cpu_seconds or self.seconds, self.gpu_seconds)

    def price_each(self, prices: Prices) -> float | None:
        """Money a version that became champion, those that did not included; None where none did."""
        return self.price(prices) / self.promoted if self.promoted else None


def trainings(
    versions: Sequence[ModelVersionRow],
    gates: Iterable[VerdictRow],
    promotions: Iterable[PromotionRow],
    rows: Iterable[TrainingRow],
) -> list[TrainedVersion]:
    """What became of each version, newest first.

    Args:
        versions: oldest first.
        gates: verdicts of gate and reviewers, oldest first: the newest about a version is quoted.
        promotions: of the pipeline.
        rows: of its trainings.
    """
    judged = {row.subject: row for row in gates}
    promoted = {row.version for row in promotions}
    by_version = {row.version: row for row in rows}
    return [
        TrainedVersion(
            version=row.version or "",
            day=row.as_of,
            outcome=training.outcome if (training := by_version.get(row.version)) else "",
            words=clause(verdict)
            if (verdict := judged.get(subject(row.version or "")))
            else "The gate has not judged it yet.",
            promoted=row.version in promoted,
            run_id=row.run_id,
            cost=_cost(training) if training else None,
        )
        for row in reversed(versions)
    ]


def _cost(row: TrainingRow) -> Cost:
    return Cost(row.fits or 1, row.seconds or 0.0, row.cpu_seconds or 0.0, row.gpu_seconds or 0.0)


def _before_period(pipeline: Pipeline, newest_day: str) -> str:
    """The day before the budget's period; empty without a budget, or before the first night."""
    budget = pipeline.triggers.budget
    return str(pipeline.block.before(day_of(newest_day), budget.days)) if budget and newest_day else ""


def spent(
    pipeline: Pipeline, newest_day: str, done: Sequence[TrainedVersion], decided: VerdictRow | None = None
) -> Spent:
    """Add up what the trainings of the budget's newest period cost.

    Args:
        pipeline: its `triggers.budget`.
        newest_day: the day that the period ends with.
        done: all trainings, newest first.
        decided: the trigger's newest verdict.
    """
    budget, first = pipeline.triggers.budget, _before_period(pipeline, newest_day)
    counted = [one for one in done if one.day > first] if first else done[:SHOWN]
    costs = [one.cost or Cost(1, 0.0) for one in counted]
    return Spent(
        days=budget.days * pipeline.block.days if budget else 0,
        allowed=(budget.fits or 0) if budget else 0,
        allowed_seconds=(budget.cpu_seconds or 0.0) if budget else 0.0,
        burst=budget.burst if budget else 0,
        left=left_words(decided.inputs) if budget and decided else "",
        fits=sum(cost.fits for cost in costs),
        trainings=len(counted),
        promoted=sum(one.promoted for one in counted),
        seconds=sum(cost.seconds for cost in costs),
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        gpu_seconds=sum(cost.gpu_seconds for cost in costs),
    )
