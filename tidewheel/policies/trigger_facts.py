"""What a trigger policy is told on a day, and how days of predictions are pooled into evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import takewhile

from tidewheel.policies.significance import normal_equivalent


class Ended(StrEnum):
    """How a training ended."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    """By the gate or by a reviewer, or it could not be judged: the champion stayed."""
    FAILED = "failed"
    """Never came as far as the gate."""
    RUNNING = "running"
    """Asked for, and not judged yet."""


@dataclass(frozen=True)
class Attempt:
    """One training, whoever asked for it.

    Attributes:
        as_of: the day (partition) whose knowledge it had: the one it was asked for, or a later one that was there when
            it began.
        ended: what came of it.
        fits: models that were fitted.
        best_gain: how much better than the champion it can be at best, as a share of the champion's loss: the far end
            of the gate's interval. Below zero: it was worse at best. None: it was not compared.
        waited_days: of one that is not judged, whole days by the clock since it was asked for; nights may pass quicker
            than days, when the platform catches up. None: as many as there were nights.
    """

    as_of: date
    ended: Ended
    fits: int = 1
    best_gain: float | None = None
    waited_days: int | None = None


def best_gain(difference: float, upper_bound: float, champion: float) -> float | None:
    """How much a challenger can save at best, as a share of the champion's figure; None: unknown.

    Args:
        difference: how much worse the challenger is, in the metric's unit.
        upper_bound: the near end of its interval; the gain is at the far end.
        champion: the champion's figure.
    """
    gain = (upper_bound - 2 * difference) / abs(champion) if champion else math.nan
    return None if math.isnan(gain) else gain


def undecided(attempts: Sequence[Attempt]) -> int:
    """How many challengers in a row, up to the newest, were refused though they may have been better.

    Args:
        attempts: oldest first.
    """
    judged = [attempt for attempt in attempts if attempt.ended in (Ended.PROMOTED, Ended.REJECTED)]
    refused = takewhile(lambda attempt: attempt.ended is Ended.REJECTED, reversed(judged))
    return len([*takewhile(lambda attempt: (attempt.best_gain or 0) > 0, refused)])


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
class FeatureDrift:
    """What the drift alarm says on a day.

    Attributes:
        columns: features whose drift is confirmed, farthest first.
        weight: their share of the champion's feature importances, 0 to 1.
    """

    columns: tuple[str, ...] = ()
    weight: float = 0.0


@dataclass(frozen=True)
class TriggerMeasurement:
    """What is known on a day. Nothing but an attempt's `waited_days` comes from the clock.

    Attributes:
        today: the partition that monitoring looks at; all ages are counted back from it.
        champion_version: None where there is no champion yet.
        champion_as_of: the day the champion was trained as of; None where that is unknown.
        known_rows: labelled rows that had matured when the champion was trained, inside its training window and
            counted with its holdout. Without a champion: 0.
        new_rows: labelled rows that have matured since then, by today.
        quality: the champion's days, and other versions' (they are left out by their version), in any order; at least
            the newest matured days that the policy's windows reach back to. Days without labels or predictions are
            absent, never zero.
        drift: the drift alarm of today; None where drift is unknown.
        concept_alarms: sentences of slices and error streams in which the relation of features and label has changed,
            for example `origin=LGA: excess log-loss +0.310, t 9.2`.
        attempts: trainings so far, oldest first; one that was asked for today and is not judged yet is left out, for
            a night that is run again to decide the same.
        request: reason of a wish for training that a person left, and nobody has answered yet.
        data_refused: why the newest data cannot be trained on; None where it can.
        monitored_since: the newest later day that was monitored before this one; None where this is the newest.
    """

    today: date
    champion_version: str | None
    champion_as_of: date | None
    known_rows: int = 0
    new_rows: int = 0
    quality: tuple[DayQuality, ...] = ()
    drift: FeatureDrift | None = None
    concept_alarms: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    request: str | None = None
    data_refused: str | None = None
    monitored_since: date | None = None

    @property
    def age_days(self) -> int | None:
        """Days since the champion was trained; below zero where it knows later days than today."""
        return None if self.champion_as_of is None else (self.today - self.champion_as_of).days

    def champion_days(self, window_days: int) -> list[DayQuality]:
        """The champion's days of the window that ends with its newest measured day, oldest first."""
        own = sorted((q for q in self.quality if q.version == self.champion_version), key=lambda q: q.day)
        return [q for q in own if q.day > own[-1].day - timedelta(days=window_days)]


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
