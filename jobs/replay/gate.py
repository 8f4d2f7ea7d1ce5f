"""The gate in a replay: both models on the same matured days, measured and judged as job `evaluate` does it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from jobs.data.training_data import PARTITION, TrainingData
from jobs.evaluation.judging import Judged, measure_judged
from jobs.models.prediction import Array, Model, predict
from jobs.models.recalibration import LITERAL, Line, fit_line, line_by_construction
from jobs.models.row_weights import at
from jobs.replay.fits import Challenger, Fit
from jobs.replay.history import Known
from jobs.replay.retraining import Champion
from tidewheel.policies.gate.measurement import GateMeasurement
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Verdict
from tidewheel.spec import Pipeline

LINE_ROWS = 20_000
"""Rows, evenly drawn, that tell what a model makes of those it has learned from."""


def judge(
    pipeline: Pipeline,
    known: Known,
    chosen: TrainingData,
    version: str,
    challenger: Fit,
    champion: Champion | None,
    uses: int,
) -> tuple[GateMeasurement, Verdict]:
    """Hold a challenger against the champion on the holdout days that neither has learned from.

    On probation there are none, and the newest days that the challenger has learned from stand in for them.

    Latency and size are not limited: a replay compiles nothing, and what it shares the machine with is another matter.
    Nor are gaps between groups that are made of other columns than features: a replay reads features alone.

    Args:
        pipeline: its gate.
        known: what is known on the evening.
        chosen: names the holdout.
        version: the challenger's number.
        challenger: the challenger.
        champion: None for the first one.
        uses: challengers judged before on some of the same days.

    Returns:
        What was measured, and the verdict.
    """
    rows = known.labelled(_judging_days(pipeline, chosen, champion))

    def asked(model: Model) -> Array:
        return predict(model, rows.frame, pipeline.task) if len(rows) else rows.truth

    judged = Judged(
        rows.frame.assign(**{PARTITION: rows.days}),
        rows.truth,
        asked(challenger.model),
        asked(champion.judged.model) if champion else None,
        champion.version if champion else "",
        weights=rows.weights,
    )
    measured = measure_judged(pipeline, judged, version, holdout_uses=uses)
    policy = replace(GatePolicy.of(pipeline), maximum_latency_ms=None, maximum_size_mb=None)
    unknown = {(gap.column, gap.figure) for gap in measured.gaps if gap.missing}
    policy = replace(policy, fairness=tuple(r for r in policy.fairness if (r.column, r.figure) not in unknown))
    return measured, policy.decide(measured)


def meaning(
    pipeline: Pipeline, known: Known, chosen: TrainingData, made: Challenger, champion: Champion | None
) -> Line:
    """What a challenger's predictions mean, as jobs `train` and `evaluate` find it out together."""
    held = known.labelled(_judging_days(pipeline, chosen, champion))
    learned = known.labelled([day.day for day in (*chosen.training, *chosen.holdout)])
    step = max(1, len(learned) // LINE_ROWS)
    drawn = (learned.days <= str(made.serving.learned_until)).to_numpy() & (np.arange(len(learned)) % step == 0)
    said = predict(made.serving.model, learned.frame[drawn], pipeline.task)
    fitted = fit_line(learned.truth[drawn], said, pipeline.task, learned.days[drawn], at(learned.weights, drawn))
    if fitted.is_literal or not len(held):
        return LITERAL
    answers = predict(made.judged.model, held.frame, pipeline.task)
    return line_by_construction(fitted, held.truth, answers, held.days, pipeline.task, held.weights)


def _judging_days(pipeline: Pipeline, chosen: TrainingData, champion: Champion | None) -> list[date]:
    if pipeline.on_probation:
        return [day.day for day in chosen.training[-pipeline.training.holdout_days :]]
    return [day.day for day in chosen.holdout if champion is None or day.day > champion.judged.learned_until]
