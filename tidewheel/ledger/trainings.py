"""What the ledger knows of trainings: one row each, which the jobs of its run fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.section import LedgerSection
from tidewheel.ledger.training_rows import begun_row, of_run, of_version, waiting_row
from tidewheel.ledger.training_tables import FAILED, TrainingRow
from tidewheel.partitions import day_of
from tidewheel.policies.verdict import Outcome
from tidewheel.unknown import known_or_none


@dataclass(frozen=True)
class Window:
    """What a training learns from.

    Attributes:
        as_of: the day that it looks back from.
        start: first day that it learns from.
        end: last day that it learns from.
    """

    as_of: date
    start: date
    end: date


@dataclass(frozen=True)
class FitCost:
    """What fitting and logging took.

    Attributes:
        fits: models that were fitted.
        seconds: by the clock.
        cpu_seconds: of the process and the children it waited for.
        gpu_seconds: seconds times GPUs.
    """

    fits: int
    seconds: float
    cpu_seconds: float
    gpu_seconds: float


@dataclass(frozen=True)
class Judgement:
    """What the gate found.

    Attributes:
        version: that was judged.
        as_of: the day that its training looked back from.
        outcome: of the gate.
        holdout: days that it was judged on and has not learned from, by content.
        gain: how much better than the champion it can be at best; None: it was not compared on such days.
        squared_error: mean, on the holdout; None or NaN: unknown.
        meaning: the line by which its predictions are read; empty: as they are.
    """

    version: str
    as_of: date
    outcome: Outcome
    holdout: Sequence[str] = ()
    gain: float | None = None
    squared_error: float | None = None
    meaning: Mapping[str, float] = field(default_factory=dict)


class Trainings(LedgerSection):
    """The trainings of all pipelines."""

    # --- reading ---------------------------------------------------------------------------------------------------

    @idempotent
    def all(self, pipeline: str) -> list[TrainingRow]:
        """All of a pipeline's, in the order in which they were requested or begun."""
        query = select(TrainingRow).where(TrainingRow.pipeline == pipeline).order_by(TrainingRow.id)
        with self.ledger.session() as session:
            return list(session.scalars(query))

    def judgements(self, pipeline: str) -> list[Judgement]:
        """What the gate found of a pipeline's versions, in the order in which their trainings were requested."""
        return [_judgement(row) for row in self.all(pipeline) if row.version and row.as_of and row.outcome]

    @idempotent
    def of_run(self, pipeline: str, run_id: str) -> TrainingRow | None:
        """The training of a run, or the requested one that the run would take over if it began now."""
        with self.ledger.session() as session:
            return of_run(session, pipeline, run_id) or waiting_row(session, pipeline)

    # --- filling in ------------------------------------------------------------------------------------------------

    def begin(self, pipeline: str, run_id: str, window: Window, at: datetime) -> None:
        """Note that a run has begun, and what it learns from. It takes over the training that is requested."""
        self._fill(pipeline, run_id, _of(window), at)

    def fitted(self, pipeline: str, run_id: str, window: Window, cost: FitCost, at: datetime) -> None:
        """Note what a run has learned from, and what that took."""
        self._fill(pipeline, run_id, {**_of(window), **asdict(cost)}, at)

    def registered(self, pipeline: str, run_id: str, version: str, at: datetime) -> None:
        """Note which version a run has made."""
        self._fill(pipeline, run_id, {"version": version}, at)

    def judged(self, pipeline: str, run_id: str, judgement: Judgement, at: datetime) -> None:
        """Note what the gate has found, and close the training; judged again, the newer finding counts."""
        values = {
            "version": judgement.version,
            "as_of": str(judgement.as_of),
            "outcome": str(judgement.outcome),
            "holdout": list(judgement.holdout),
            "gain": judgement.gain,
            "squared_error": known_or_none(judgement.squared_error),
            "meaning": dict(judgement.meaning),
            "closed_at": at,
        }
        self._fill(pipeline, run_id, values, at)

    def failed(self, pipeline: str, run_id: str, as_of: date, at: datetime) -> None:
        """Close a training that came to no challenger."""
        self._fill(pipeline, run_id, {"as_of": str(as_of), "outcome": FAILED, "closed_at": at}, at)

    @idempotent
    def reviewed(self, pipeline: str, version: str, outcome: Outcome) -> None:
        """Note what a reviewer said of a version; one whose training has no row is left alone."""
        with self.ledger.session() as session:
            if (row := of_version(session, pipeline, version)) is not None:
                row.outcome = str(outcome)

    @idempotent
    def _fill(self, pipeline: str, run_id: str, values: Mapping[str, Any], at: datetime) -> None:
        with self.ledger.session() as session:
            one_at_a_time(session, f"{pipeline} training")
            row = begun_row(session, pipeline, run_id, at)
            for name, value in values.items():
                setattr(row, name, value)


def _of(window: Window) -> dict[str, str]:
    return {"as_of": str(window.as_of), "window_start": str(window.start), "window_end": str(window.end)}


def _judgement(row: TrainingRow) -> Judgement:
    return Judgement(
        version=row.version or "",
        as_of=day_of(row.as_of or ""),
        outcome=Outcome.INCONCLUSIVE if row.outcome == FAILED else Outcome(row.outcome),
        holdout=row.holdout,
        gain=row.gain,
        squared_error=row.squared_error,
        meaning=row.meaning,
    )
