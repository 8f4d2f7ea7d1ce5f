"""How days of predictions turned out, and how such days are pooled into evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tidewheel.policies.significance import normal_equivalent


@dataclass(frozen=True)
class DayQuality:
    """How one day's predictions by one version turned out, on the rows whose label is known.

    Attributes:
        day: the day of the rows, not the day on which their labels came to be known.
        version: who predicted them.
        rows: rows with a known label.
        loss: mean over these rows: log-loss (nats) for classification, squared error for regression.
        expected_loss: what the model itself expected `loss` to be. Classification: the mean binary entropy (nats) of
            its predictions, which is the log-loss of a calibrated model. Regression: the version's mean squared error
            on the gate's holdout. None: unknown.
        bias: mean of label minus prediction.
        variance: mean variance of a label around its prediction, as the model sees it. Classification: mean of
            p (1 - p). Regression: as `expected_loss`. None: unknown.
        loss_error: standard error of the loss less what was expected that all days of the version share: where its
            predictions are not meant literally, what they mean is known from a holdout alone.
        bias_error: the same of the bias.
    """

    day: date
    version: str
    rows: int
    loss: float
    expected_loss: float | None
    bias: float
    variance: float | None
    loss_error: float = 0.0
    bias_error: float = 0.0


@dataclass(frozen=True)
class Mean:
    """A mean over rows with the standard error that its days show: rows of one day are not independent."""

    value: float
    standard_error: float
    days: int

    @property
    def t(self) -> float:
        """How many standard errors the mean lies from zero; NaN where no error is known."""
        if math.isnan(self.standard_error):
            return math.nan
        if self.standard_error == 0:
            return math.copysign(math.inf, self.value) if self.value else 0.0
        return self.value / self.standard_error

    @property
    def surety(self) -> float:
        """`t`, reduced for few days: as many standard errors of a normal distribution are as improbable.

        NaN where no error is known.
        """
        return normal_equivalent(self.t, self.days - 1) if self.days > 1 else self.t


def mean_over_days(values: Sequence[float], rows: Sequence[int], shared: Sequence[float] = ()) -> Mean:
    """Pool daily means into one, each day a block.

    The ratio estimator of cluster sampling (Cochran, Sampling Techniques, 1977, section 9A): the mean is weighted by
    rows, its error comes from how the days differ.

    Args:
        values: mean of each day.
        rows: rows of each day.
        shared: of each day, an error that is the same on all of them, and that more days do not make smaller.

    Returns:
        The mean over all rows; its error is NaN for fewer than two days.
    """
    total, days = sum(rows), len(values)
    if total == 0:
        return Mean(math.nan, math.nan, 0)
    mean = sum(v * n for v, n in zip(values, rows, strict=True)) / total
    if days < 2:
        return Mean(mean, math.nan, days)
    squares = sum((n / total * (v - mean)) ** 2 for v, n in zip(values, rows, strict=True))
    systematic = sum(e * n for e, n in zip(shared, rows, strict=False)) / total
    return Mean(mean, math.hypot(math.sqrt(squares * days / (days - 1)), systematic), days)


def losses_beyond_expectation(days: Sequence[DayQuality]) -> list[float]:
    """Each day's loss less what was expected of it; the loss itself where that is unknown of any of them."""
    if any(q.expected_loss is None for q in days):
        return [q.loss for q in days]
    return [q.loss - (q.expected_loss or 0.0) for q in days]


def excess_loss(days: Sequence[DayQuality]) -> Mean:
    """Loss beyond what the model itself expected; days without an expectation are left out."""
    known = [q for q in days if q.expected_loss is not None]
    excess = [q.loss - (q.expected_loss or 0.0) for q in known]
    return mean_over_days(excess, [q.rows for q in known], [q.loss_error for q in known])


def bias(days: Sequence[DayQuality]) -> Mean:
    """Label minus prediction: positive where the model predicts too little."""
    return mean_over_days([q.bias for q in days], [q.rows for q in days], [q.bias_error for q in days])
