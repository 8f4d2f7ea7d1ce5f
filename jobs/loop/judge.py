"""The gate at work: both models on the same days, what the policy says of them, and what is written down of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION
from jobs.evaluation.judgement import holdout_uses
from jobs.evaluation.judging import ChallengerFacts, Judged, measure_judged
from jobs.evaluation.usual_days import newest_days, pairs, recent
from jobs.models.recalibration import CalibrationLine, line_by_construction
from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.memory.protocol import Champion, Memory
    from tidewheel.ledger.trainings import Judgement
    from tidewheel.policies.gate.measurement import Footprint, GateMeasurement, Unsteady
    from tidewheel.policies.gate.verdict import GateVerdict
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class PairedPredictions:
    """What challenger and champion predict.

    Attributes:
        all_days: on all the days that both answered; with probation they tell how far such days differ.
        judged: on those of them that the gate decides by.
        content: the days held out that it decides by, each by the content of its features and labels.
    """

    all_days: Judged
    judged: Judged
    content: tuple[str, ...]


def compare(memory: Memory, chosen: TrainingData, version: str, champion: Champion | None) -> PairedPredictions:
    """Ask both models about the days that the gate decides by.

    These are the days held out that neither has learned from; with probation there are none, and the newest days that
    the challenger has learned from stand in for them.

    Args:
        memory: of the pipeline.
        chosen: the days that were learned from, and those held out.
        version: the challenger's number.
        champion: None for the first version.

    Raises:
        ModelRefused: the challenger cannot predict.
    """
    pipeline = memory.pipeline
    paired = memory.compared(_judging_days(pipeline, chosen, champion), version, champion.version if champion else "")
    judged = recent(pipeline, paired)
    return PairedPredictions(paired, judged, _content_of(chosen, judged))


def judge(
    memory: Memory,
    compared: PairedPredictions,
    version: str,
    footprint: Footprint | None = None,
    unsteady: Unsteady | None = None,
    failures: PartialFailures = RAISING,
) -> tuple[GateMeasurement, GateVerdict]:
    """Measure what the pipeline's gate asks about, and decide.

    Args:
        memory: of the pipeline.
        compared: what both models predict.
        version: the challenger's number.
        footprint: latency and size, where they were measured.
        unsteady: a golden row whose prediction depends on more than the row.
        failures: takes note of a slice, or of groups, that cannot be measured.
    """
    uses = holdout_uses(memory.judgements(), version, compared.content)
    facts = ChallengerFacts(version, footprint, compared.content, uses, unsteady)
    measured = measure_judged(memory.pipeline, compared.judged, facts, failures)
    return measured, memory.gate_policy(measured).decide(measured)


def meaning(pipeline: Pipeline, judged: Judged, fitted: Callable[[], CalibrationLine]) -> CalibrationLine:
    """What the challenger's predictions mean, where the model is off by construction; monitoring expects that.

    Args:
        pipeline: its declaration.
        judged: what it predicts for the days that it is judged on.
        fitted: gives the line on the rows that it has learned from.
    """
    days, weights = judged.rows[PARTITION], judged.weights
    return line_by_construction(fitted, judged.truth, judged.challenger, days, pipeline.task, weights)


def conclude(
    memory: Memory, compared: PairedPredictions, judgement: Judgement, failures: PartialFailures = RAISING
) -> None:
    """Write down what the gate found, and with probation how far the days of both versions differ.

    Args:
        memory: of the pipeline.
        compared: what both models predict.
        judgement: what the gate found.
        failures: takes note of days that cannot be compared.
    """
    pipeline, paired = memory.pipeline, compared.all_days
    if pipeline.on_probation and paired.champion_version:
        with failures.named("how far the days of the two versions differ"):
            memory.keep_paired_days(judgement.version, paired.champion_version, pairs(pipeline, paired))
    memory.keep_judgement(judgement)


def _judging_days(pipeline: Pipeline, chosen: TrainingData, champion: Champion | None) -> list[LabelledDay]:
    if pipeline.on_probation:
        return newest_days(chosen.training)
    return [day for day in chosen.holdout if champion is None or day.day > champion.judged_until]


def _content_of(chosen: TrainingData, judged: Judged) -> tuple[str, ...]:
    days = set(judged.rows[PARTITION])
    return tuple(
        f"{day.day} {day.features.content_hash[:12]} {day.labels.content_hash[:12]}"
        for day in chosen.holdout
        if str(day.day) in days
    )
