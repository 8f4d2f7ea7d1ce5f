"""Two models on the same rows: how much worse is one, and how sure is that?

Rows of one day are not independent (one storm delays them all), so the bootstrap draws whole days. From few days it
errs too little: its variance is multiplied by n / (n - 1), and bounds are Student's t with one degree of freedom less
than days (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", Journal of Human Resources 50,
2015, section VI). The interval of a single figure, which need not be symmetric, is Hesterberg's expanded percentile
interval, which does the same to the quantile ("What Teachers Should Know About the Bootstrap", The American
Statistician 69, 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from jobs.evaluation.drawn_figures import Codes, DayDraws, Matrix, drawn_figure
from jobs.models.paired_losses import row_losses
from jobs.models.prediction import Array
from jobs.models.row_weights import at
from tidewheel.spec.decision import Decision
from tidewheel.spec.losses import SQUARED_ERROR, Loss

RESAMPLES = 2000
COMPARED = frozenset({"log_loss", "brier", "roc_auc", "rmse", "mae", "poisson_deviance", "pinball_loss"})
"""Figures that two models may be compared by."""
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class ScoredRows:
    """A model's predictions for labelled rows.

    Attributes:
        truth: labels, one a row.
        predicted: predictions for the same rows.
        days: day of each row.
        weights: how much each row counts; None: all the same.
        loss: what a regression minimises.
    """

    truth: Array
    predicted: Array
    days: pd.Series[str]
    weights: Array | None = None
    loss: Loss = SQUARED_ERROR


@dataclass(frozen=True)
class PairedRows:
    """The predictions of two models for the same labelled rows, to be compared by one figure.

    Attributes:
        metric: one of `COMPARED`.
        truth: labels, one a row.
        challenger: predictions of the challenger for the same rows.
        champion: predictions of the champion for the same rows.
        days: day of each row.
        weights: how much each row counts; None: all the same.
        loss: what a regression minimises.
    """

    metric: str
    truth: Array
    challenger: Array
    champion: Array
    days: pd.Series[str]
    weights: Array | None = None
    loss: Loss = SQUARED_ERROR

    def where(self, mask: Mask) -> PairedRows:
        """Some of the rows."""
        return replace(
            self,
            truth=self.truth[mask],
            challenger=self.challenger[mask],
            champion=self.champion[mask],
            days=self.days[mask],
            weights=at(self.weights, mask),
        )


def loss_difference(rows: PairedRows, *, confidence: float, seed: int) -> tuple[float, float]:
    """How much worse the challenger is, and the upper confidence bound of that, by a paired bootstrap over days.

    Args:
        rows: what both models predict.
        confidence: one-sided confidence of the bound, such as 0.95.
        seed: of the resampling.

    Returns:
        Difference and bound in the metric's unit; positive means that the challenger is worse. The bound is NaN with
        fewer than two days, or where no resample could be measured.
    """
    resampled = resample(rows, seed=seed)
    return resampled.difference, resampled.upper_bound(confidence)


@dataclass(frozen=True)
class Resampled:
    """A difference between two models, and what it would have been on other days like these.

    Attributes:
        difference: how much worse the challenger is on the rows as they are.
        resamples: the same under each draw of days; draws under which it cannot be computed are left out.
        days: blocks that were drawn from.
    """

    difference: float
    resamples: Array
    days: int

    @property
    def is_known(self) -> bool:
        """Whether the draws say anything: one day has nothing to be drawn from."""
        return self.days >= 2 and len(self.resamples) > 0

    @property
    def standard_error(self) -> float:
        """Of the difference, by how the draws differ; at least two days."""
        return float(self.resamples.std()) * math.sqrt(self.days / (self.days - 1))

    def upper_bound(self, confidence: float) -> float:
        """One-sided bound of the difference; NaN: unknown."""
        if not self.is_known:
            return math.nan
        return self.difference + self.reach(confidence)

    def reach(self, confidence: float) -> float:
        """How far a one-sided bound lies from the difference; at least two days."""
        return self.standard_error * float(stats.t.ppf(confidence, self.days - 1))

    def probability_beyond(self, allowed: float) -> float:
        """How probable a difference this large is where the true one is `allowed` and no more; NaN: unknown.

        The t test that belongs to the bound.
        """
        if not self.is_known or math.isnan(self.difference):
            return math.nan
        if self.standard_error == 0:
            return 0.0 if self.difference > allowed else 1.0
        return float(stats.t.sf((self.difference - allowed) / self.standard_error, self.days - 1))


def resample(rows: PairedRows, *, seed: int) -> Resampled:
    """Draw days with replacement, many times, and take the difference of both models on each draw.

    Args:
        rows: what both models predict.
        seed: of the draws.
    """
    draws = drawn_days(rows.days, seed)
    challenger, champion = (
        losses(rows.metric, ScoredRows(rows.truth, predicted, rows.days, rows.weights, rows.loss), draws)
        for predicted in (rows.challenger, rows.champion)
    )
    worse: Array = np.subtract(challenger, champion)
    return Resampled(float(worse[0]), worse[1:][~np.isnan(worse[1:])], draws.weights.shape[1])


def figure_interval(
    metric: str, rows: ScoredRows, *, confidence: float, seed: int, decision: Decision | None = None
) -> tuple[float, float]:
    """Two-sided confidence interval of one model's figure, from the same draws of days.

    Args:
        metric: any figure of `jobs.models.figures.all_figures`.
        rows: what the model predicts.
        confidence: share of such intervals that hold the true figure, such as 0.9.
        seed: of the draws.
        decision: threshold and costs; None: the default ones.

    Returns:
        Lower and upper end in the metric's unit; NaN with fewer than two days.
    """
    draws = drawn_days(rows.days, seed)
    compared = metric in COMPARED
    drawn = losses(metric, rows, draws) if compared else drawn_figure(metric, rows, draws, decision or Decision())
    known, count = drawn[1:][~np.isnan(drawn[1:])], draws.weights.shape[1]
    if count < 2 or len(known) == 0:
        return math.nan, math.nan
    level = expanded_level((1 + confidence) / 2, count)
    low, high = (float(end) for end in np.quantile(known, [1 - level, level]))
    return (-high, -low) if metric == "roc_auc" else (low, high)


def expanded_level(confidence: float, days: int) -> float:
    """The quantile to read so that a percentile bound from few blocks covers as often as it says."""
    reach = float(stats.t.ppf(confidence, days - 1)) * math.sqrt(days / (days - 1))
    return NormalDist().cdf(reach)


def day_weights(days: int, seed: int) -> Matrix:
    """How often each day counts: once in the first row, as often as it was drawn in each of `RESAMPLES` others."""
    draws = np.random.default_rng(seed).multinomial(days, [1 / days] * days, size=RESAMPLES)
    return np.vstack([np.ones((1, days)), draws.astype(np.float64)])


def losses(metric: str, rows: ScoredRows, draws: DayDraws) -> Array:
    """The loss under each draw of days; a higher-is-better figure counts negative.

    Args:
        metric: one of `COMPARED`.
        rows: what the model predicts.
        draws: of their days.

    Returns:
        One loss for each draw, in the metric's unit.
    """
    truth, predicted, row_weights, (codes, weights) = rows.truth, rows.predicted, rows.weights, draws
    if metric == "roc_auc":
        return -_weighted_auc(truth, predicted, codes, weights, row_weights)
    if metric not in COMPARED:
        raise ValueError(f"no loss called {metric}")
    of_rows, days = row_losses(metric, truth, predicted, rows.loss), weights.shape[1]
    if row_weights is not None:
        of_rows = of_rows * row_weights
    counted = weights @ np.bincount(codes, weights=row_weights, minlength=days)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of days whose rows weigh nothing says nothing
        mean = (weights @ np.bincount(codes, weights=of_rows, minlength=days)) / counted
    return np.asarray(np.sqrt(mean) if metric == "rmse" else mean)


def drawn_days(days: pd.Series[str], seed: int) -> DayDraws:
    """The day of each row as a number, and how often each day counts, as `day_weights` draws it."""
    codes, names = pd.factorize(days, sort=True)
    return DayDraws(codes.astype(np.int64), day_weights(len(names), seed))


def _weighted_auc(truth: Array, predicted: Array, codes: Codes, weights: Matrix, row_weights: Array | None) -> Array:
    """AUC of many resamples at once: pairs won are counted once for each pair of days, then weighted."""
    days, counting = weights.shape[1], np.ones_like(predicted) if row_weights is None else row_weights
    negatives = [_ranked(predicted, counting, (codes == day) & (truth == 0)) for day in range(days)]
    won = np.zeros((days, days))
    for day in range(days):
        mine = (codes == day) & (truth == 1)
        positives, counts = predicted[mine], counting[mine]
        for other, (ranked, sums) in enumerate(negatives):
            below = sums[np.searchsorted(ranked, positives, "left")] + sums[np.searchsorted(ranked, positives, "right")]
            won[day, other] = (counts * below).sum() / 2  # a tie is half a win
    pairs_won = np.einsum("rd,de,re->r", weights, won, weights)
    positive = weights @ np.bincount(codes, weights=truth * counting, minlength=days)
    negative = weights @ np.bincount(codes, weights=(1 - truth) * counting, minlength=days)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(positive * negative > 0, pairs_won / (positive * negative), np.nan))


def _ranked(predicted: Array, counting: Array, where: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Array, Array]:
    """Predictions of some rows in order, and how much the rows before each place count together."""
    order = np.argsort(predicted[where], kind="stable")
    return predicted[where][order], np.concatenate([[0.0], np.cumsum(counting[where][order])])
