"""What the plays were worth: the quality of each policy's composite model, with intervals, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jobs.evaluation.comparison import ScoredRows, day_weights, losses
from jobs.evaluation.drawn_figures import DayDraws
from jobs.models.metrics import measure
from jobs.models.prediction import Array
from jobs.replay.policies import EQUAL, FROZEN
from jobs.replay.simulation import Simulation
from jobs.training.fitting import TrainingRows
from tidewheel.spec import LOWER_IS_BETTER, Pipeline

WEEKLY = "every:7d"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure and its two-sided 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicySummary:
    """One policy over its seeds; counts are means.

    Attributes:
        policy: its name.
        seeds: how many plays.
        figures: the composite model's figures, mean over the seeds.
        quality: the gate's metric among them, with an interval from days drawn as blocks, the same ones for all.
        better_than_frozen: how much better than the first model, in the metric's unit; None where that was not played,
            and for itself.
        better_than_equal: the same against the calendar that fitted equally many models; None likewise.
        gain_kept: the same as a share of what weekly training gains; None where that was not played or gains nothing,
            and for the two that it is measured by.
        seed_spread: highest minus lowest quality among the seeds.
        fits: models fitted, those of the gate included.
        cpu_seconds: for fitting, on one thread.
        promotions: changes of the model.
        rejections: trainings in vain.
        alarms: evenings with something wrong.
        undecided: trainings whose version was refused though it may have been better, or served after a probation
            that could not tell; of the first model nothing is said.
    """

    policy: str
    seeds: int
    figures: Mapping[str, float]
    quality: Interval
    better_than_frozen: Interval | None
    better_than_equal: Interval | None
    gain_kept: Interval | None
    seed_spread: float
    fits: float
    cpu_seconds: float
    promotions: float
    rejections: float
    alarms: float
    undecided: float = 0.0

    @property
    def cpu_seconds_each(self) -> float:
        """CPU seconds for each model that served, those that were fitted in vain included."""
        return self.cpu_seconds / (1 + self.promotions)


def summarize(
    pipeline: Pipeline, rows: TrainingRows, plays: Sequence[Simulation], seed: int = 0
) -> list[PolicySummary]:
    """Summarize plays of the same days, a row a policy, in the order they were asked for.

    Args:
        pipeline: names task and metric.
        rows: labelled rows of the played days.
        plays: with predictions for these rows.
        seed: of the resampling.
    """
    codes, days = pd.factorize(rows.days)
    draws = DayDraws(codes.astype(np.int64), day_weights(len(days), seed))
    by_policy: dict[str, list[Simulation]] = {}
    for one in plays:
        by_policy.setdefault(one.policy, []).append(one)
    resampled = {
        policy: np.array(
            [
                losses(
                    pipeline.metric,
                    ScoredRows(rows.truth, one.answers, rows.days, rows.weights, pipeline.loss),
                    draws,
                )
                for one in of_policy
            ]
        )
        for policy, of_policy in by_policy.items()
    }
    means = {policy: drawn.mean(axis=0) for policy, drawn in resampled.items()}
    return [
        _summary(pipeline, rows, of_policy, resampled[policy][:, 0], means) for policy, of_policy in by_policy.items()
    ]


def _summary(
    pipeline: Pipeline, rows: TrainingRows, plays: Sequence[Simulation], by_seed: Array, means: Mapping[str, Array]
) -> PolicySummary:
    name, frozen, weekly = plays[0].policy, means.get(FROZEN), means.get(WEEKLY)
    own, equal = means[name], means.get(EQUAL)
    sign = 1 if pipeline.metric in LOWER_IS_BETTER else -1
    gain_kept = None
    if name not in (FROZEN, WEEKLY) and frozen is not None and weekly is not None and frozen[0] > weekly[0]:
        with np.errstate(divide="ignore", invalid="ignore"):
            gain_kept = _interval((frozen - own) / (frozen - weekly))
    measured = [
        measure(rows.truth, one.answers, pipeline.task, weights=rows.weights, loss=pipeline.loss) for one in plays
    ]
    figures = pd.DataFrame(measured).mean()
    return PolicySummary(
        policy=name,
        seeds=len(plays),
        figures={str(name): float(value) for name, value in figures.items()},
        quality=_interval(sign * own),
        better_than_frozen=None if frozen is None or name == FROZEN else _interval(frozen - own),
        better_than_equal=None if equal is None or name == EQUAL else _interval(equal - own),
        gain_kept=gain_kept,
        seed_spread=float(np.ptp(by_seed)),
        fits=_mean([one.fits for one in plays]),
        cpu_seconds=_mean([one.cpu_seconds for one in plays]),
        promotions=_mean([one.promotions for one in plays]),
        rejections=_mean([one.rejections for one in plays]),
        alarms=_mean([one.alarms for one in plays]),
        undecided=_mean([one.undecided for one in plays]),
    )


def _interval(drawn: Array) -> Interval:
    """The first is the figure itself, the others are its resamples."""
    low, high = np.nanquantile(drawn[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(drawn[0]), float(low), float(high))


def _mean(counts: Sequence[float]) -> float:
    return float(np.mean(counts))
