"""What the gate decides from: both models on the same later rows, measured as the pipeline's `gate` declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION
from jobs.evaluation.comparison import PairedRows, ScoredRows, loss_difference
from jobs.evaluation.group_gaps import group_gap
from jobs.evaluation.slices import compare_slices, with_class_names
from jobs.models.constant import constant_figure
from jobs.models.figures import all_figures
from jobs.models.prediction import Array
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.policies.gate.measurement import (
    Comparison,
    Footprint,
    GateMeasurement,
    GroupGap,
    SliceComparison,
    Unsteady,
)
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.spec.groups import group_name

if TYPE_CHECKING:
    import pandas as pd

    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Judged:
    """What both models said to the same rows.

    Attributes:
        rows: with their day (`partition`), and the columns that slices and groups are made of.
        truth: labels, one a row.
        challenger: its predictions.
        champion: the champion's; None where there is none, or where it cannot predict.
        champion_version: its number, empty where there is none.
        incomparable: why it cannot predict, empty where it can.
        weights: how much each row counts; None: all the same.
    """

    rows: pd.DataFrame
    truth: Array
    challenger: Array
    champion: Array | None = None
    champion_version: str = ""
    incomparable: str = ""
    weights: Array | None = None


@dataclass(frozen=True)
class ChallengerFacts:
    """What is known of a challenger beside its predictions.

    Attributes:
        version: its number.
        footprint: latency and size, where they were measured.
        holdout: names the days judged on, by content.
        holdout_uses: challengers that were judged before on some of them.
        unsteady: a golden row whose prediction depends on more than the row.
    """

    version: str
    footprint: Footprint | None = None
    holdout: tuple[str, ...] = ()
    holdout_uses: int = 0
    unsteady: Unsteady | None = None


def measure_judged(
    pipeline: Pipeline, judged: Judged, facts: ChallengerFacts, failures: PartialFailures = RAISING
) -> GateMeasurement:
    """Measure all that the pipeline's gate asks about.

    Args:
        pipeline: its declaration.
        judged: what both models said.
        facts: of the challenger.
        failures: takes note of a slice, or of groups, that cannot be measured: the gate knows nothing of them then.
    """
    comparison = None
    if judged.champion is not None and len(judged.rows):
        difference, bound = loss_difference(
            _paired(pipeline, judged, judged.champion),
            confidence=pipeline.gate.confidence,
            seed=pipeline.training.seed,
        )
        theirs = all_figures(judged.truth, judged.champion, pipeline, judged.weights)
        comparison = Comparison(judged.champion_version, theirs, difference, bound)
    return GateMeasurement(
        challenger_version=facts.version,
        challenger=all_figures(judged.truth, judged.challenger, pipeline, judged.weights),
        rows=len(judged.rows),
        days=judged.rows[PARTITION].nunique(),
        comparison=comparison,
        incomparable=judged.incomparable,
        slices=_slices(pipeline, judged, failures),
        gaps=_gaps(pipeline, judged, failures),
        footprint=facts.footprint,
        holdout=facts.holdout,
        holdout_uses=facts.holdout_uses,
        unsteady=facts.unsteady,
        unit=pipeline.block,
        constant=constant_figure(judged.truth, judged.challenger, pipeline, judged.weights),
    )


def _paired(pipeline: Pipeline, judged: Judged, champion: Array) -> PairedRows:
    days, weights = judged.rows[PARTITION], judged.weights
    return PairedRows(pipeline.metric, judged.truth, judged.challenger, champion, days, weights, pipeline.loss)


def _gaps(pipeline: Pipeline, judged: Judged, failures: PartialFailures) -> tuple[GroupGap, ...]:
    gaps = []
    for limit in pipeline.gate.fairness:
        with failures.named(f"{limit.figure} of the groups of {group_name(limit.column)}"):
            gap = group_gap(
                ScoredRows(judged.truth, judged.challenger, judged.rows[PARTITION]),
                judged.rows,
                limit,
                decision=pipeline.decision,
                # one-sided, as the gate's, so that both ends are left with as much
                confidence=2 * pipeline.gate.confidence - 1,
                seed=pipeline.training.seed,
            )
            gaps.append(gap)
    return tuple(gaps)


def _slices(pipeline: Pipeline, judged: Judged, failures: PartialFailures) -> tuple[SliceComparison, ...]:
    rules, policy = pipeline.gate.slices, GatePolicy.of(pipeline).slices
    if rules is None or policy is None or judged.champion is None or not len(judged.rows):
        return ()
    return compare_slices(
        _paired(pipeline, judged, judged.champion),
        with_class_names(judged.rows, pipeline)[[*rules.columns]],
        policy,
        task=pipeline.task,
        seed=pipeline.training.seed,
        failures=failures,
    )
