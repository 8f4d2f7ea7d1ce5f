"""What the ledger's row of a training says of its judgement, and how often its days have judged before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.ledger.trainings import Judgement
from tidewheel.policies.trigger.attempts import best_gain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from jobs.models.recalibration import CalibrationLine
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.verdict import Outcome
    from tidewheel.spec import Pipeline


def judgement(
    pipeline: Pipeline, as_of: date, measured: GateMeasurement, outcome: Outcome, line: CalibrationLine
) -> Judgement:
    """What the gate found.

    Args:
        pipeline: its declaration.
        as_of: the day that the training looked back from.
        measured: what the gate was given.
        outcome: what it decided.
        line: what the challenger's predictions mean.
    """
    return Judgement(
        version=measured.challenger_version,
        as_of=as_of,
        outcome=outcome,
        holdout=measured.holdout,
        gain=_gain(pipeline, measured),
        squared_error=_squared_error(pipeline, measured),
        meaning={} if line.is_literal else line.to_json(),
    )


def holdout_uses(judgements: Iterable[Judgement], version: str, days: Sequence[str]) -> int:
    """How many earlier challengers were judged on some of these days; this one, judged again, does not count.

    Args:
        judgements: of the pipeline's versions so far.
        version: the challenger's number.
        days: that it is judged on, by content.
    """
    judged = {judgement.version for judgement in judgements if set(judgement.holdout) & set(days)}
    return sum(int(other) < int(version) for other in judged)


def _gain(pipeline: Pipeline, measured: GateMeasurement) -> float | None:
    """How much better than the champion the challenger can be at best; None on days that it has learned from."""
    comparison = measured.comparison
    if pipeline.on_probation or comparison is None or pipeline.metric not in comparison.champion:
        return None
    return best_gain(comparison.loss_difference, comparison.upper_bound, comparison.champion[pipeline.metric])


def _squared_error(pipeline: Pipeline, measured: GateMeasurement) -> float | None:
    """What monitoring may expect of the challenger; None on days that it has learned from."""
    rmse = None if pipeline.on_probation else measured.challenger.get("rmse")
    return None if rmse is None else rmse**2
