"""Reasons to train: each looks at a day's measurement and says whether a training is due, and what it saw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Protocol

from tidewheel.policies.trigger.attempts import Ended
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.patience import USUAL, Patience
from tidewheel.policies.trigger.quality import DayQuality, Mean, bias, excess_loss, mean_over_days
from tidewheel.quantities import quantity

LOSS_NAMES = {"classification": "log-loss", "multiclass": "log-loss", "regression": "squared error"}


@dataclass(frozen=True)
class Seen:
    """What a reason saw: whether a training is due, and the words for either case."""

    due: bool
    words: str


class Reason(Protocol):
    """One reason to train."""

    @property
    def name(self) -> str:
        """As it is called in the ledger."""
        ...

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Say what is seen; None where there is nothing to say."""
        ...


@dataclass(frozen=True)
class ByHand:
    """A person has requested a training."""

    name: str = "by hand"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due while the request is open."""
        return Seen(True, f"a training was requested: {measured.request}") if measured.request else None


@dataclass(frozen=True)
class FirstModel:
    """There is no champion, and enough data for one.

    Attributes:
        minimum_rows: labelled rows that a training and its gate need.
    """

    minimum_rows: int
    name: str = "first model"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due as soon as there are rows enough."""
        if measured.champion_version is not None:
            return None
        rows = measured.known_rows + measured.new_rows
        words = f"no champion yet, and {quantity(rows, 'labelled row')} to train on ({self.minimum_rows:,} are needed)"
        return Seen(rows >= self.minimum_rows, words)


@dataclass(frozen=True)
class Calendar:
    """A time of a cron has passed since the last training.

    Attributes:
        cron: five fields, UTC. Monitoring looks once a day, so the day counts and not the hour.
    """

    cron: str
    name: str = "calendar"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due from the day the calendar names until a training was judged; a missed night is made up for."""
        if measured.champion_version is None:
            return None
        from croniter import croniter

        end = datetime.combine(measured.unit.after(measured.today), time())
        last: datetime = croniter(self.cron, end).get_prev(datetime)
        judged = _last_judged(measured)
        due = judged is None or measured.unit.holding(last.date()) > judged
        if due:
            return Seen(True, f"the calendar ({self.cron}) calls for one since {last.date()}")
        return Seen(False, "no calendar date since the last training")


@dataclass(frozen=True)
class Every:
    """So many days have passed since the last training that was judged, whatever came of it."""

    days: int
    name: str = "every"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when the days are over."""
        judged = _last_judged(measured)
        if judged is None:
            return None
        passed = measured.since(judged)
        return Seen(passed >= self.days, f"the last training was {passed} of {self.days} {measured.unit}s ago")


@dataclass(frozen=True)
class Staleness:
    """The champion was trained too long ago.

    Attributes:
        maximum_age_days: an older one is due.
        patience: how much older it may be where training did not pay.
    """

    maximum_age_days: int
    patience: Patience = USUAL
    name: str = "staleness"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when the champion is older than allowed; one whose training day is unknown is not called old."""
        age = measured.age_days
        if age is None:
            return None
        allowed = int(self.maximum_age_days * self.patience.factor(measured))
        trained = f"version {measured.champion_version} was trained as of {measured.champion_as_of}"
        if age < 0:
            return Seen(False, f"{trained}, later than {measured.today}")
        known, why = f"{trained}, {age}", self.patience.words(measured)
        if age > allowed:
            return Seen(True, f"{known} {measured.unit}s ago; at most {allowed} are allowed{why}")
        return Seen(False, f"{known} of at most {allowed} {measured.unit}s ago{why}")


@dataclass(frozen=True)
class DataAmount:
    """Enough labelled rows have come since the champion was trained.

    Attributes:
        growth: new rows as a share of those the champion could learn from. Learning curves flatten with the
            logarithm of the rows, so a fixed share is worth about the same early and late.
        rows: new rows in absolute number. Either may be None.
        patience: how much more must come where training did not pay.
    """

    growth: float | None = None
    rows: int | None = None
    patience: Patience = USUAL
    name: str = "data amount"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when either amount is reached."""
        if measured.champion_version is None:
            return None
        new, known = measured.new_rows, measured.known_rows
        if self.rows is not None and new >= self.rows:
            return Seen(True, f"{new:,} new labelled rows ({self.rows:,} are enough)")
        if self.growth is None or known == 0:
            return Seen(False, f"{new:,} new labelled rows")
        share, enough = new / known, self.growth * self.patience.factor(measured)
        words = f"{share:.0%} more labelled data ({quantity(new, 'row')} on {known:,}; {enough:.0%} is enough)"
        return Seen(share >= enough, words)


@dataclass(frozen=True)
class Performance:
    """The champion's predictions turn out worse than it expected itself.

    Attributes:
        window_days: newest measured days that are pooled.
        minimum_days: with fewer days nothing is said.
        minimum_excess: smallest excess loss that matters, as a share of the expected loss.
        t: standard errors (over days) that the excess must lie above zero; more with few days, see `Mean.surety`.
        loss: what the loss is called.
    """

    window_days: int
    minimum_days: int
    minimum_excess: float
    t: float
    loss: str
    name: str = "performance"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when the excess is both large and significant."""
        days = [q for q in measured.champion_days(self.window_days) if q.expected_loss is not None]
        if not days:
            return None
        excess = excess_loss(days)
        found = f"excess {self.loss} {excess.value:+.3f}"
        if excess.days < self.minimum_days:
            return Seen(False, f"{found} over {measured.periods(excess.days)}, {self.minimum_days} are needed")
        expected = mean_over_days([q.expected_loss or 0.0 for q in days], [q.rows for q in days]).value
        fell = excess.value >= self.minimum_excess * expected and excess.surety >= self.t
        words = f"{found}, {_sure(excess, measured)}"
        return Seen(fell, f"performance fell ({words})" if fell else words)


@dataclass(frozen=True)
class ConceptDrift:
    """The relation of features and label has changed: in a slice, in the stream of errors, or for all rows.

    For all rows it is the bias that is tested, in both directions: a model that predicts too much loses as much as one
    that predicts too little, but its loss may even lie *below* what it expected.

    Attributes:
        window_days: newest measured days that are pooled.
        minimum_days: with fewer days nothing is said.
        minimum_regret: smallest loss that a mere correction of the bias would save, as a share of the loss
            (bias² / (2 variance) nats for log-loss, its second-order expansion; bias² for squared error).
        t: standard errors (over days) that the bias must lie from zero; more with few days, see `Mean.surety`.
        task: kind of label.
    """

    window_days: int
    minimum_days: int
    minimum_regret: float
    t: float
    task: str
    name: str = "concept drift"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due on an alarm of a slice or a stream, or on a large and significant bias."""
        if measured.concept_alarms:
            return Seen(
                True, f"the label's relation to the features has changed ({'; '.join(measured.concept_alarms)})"
            )
        days = [q for q in measured.champion_days(self.window_days) if q.variance]
        if not days:
            return None
        found = bias(days)
        if found.days < self.minimum_days:
            return Seen(
                False, f"bias {found.value:+.3f} over {measured.periods(found.days)}, {self.minimum_days} are needed"
            )
        changed = self._regret_share(days, found.value) >= self.minimum_regret and abs(found.surety) >= self.t
        words = f"bias {found.value:+.3f}, {_sure(found, measured)}"
        return Seen(changed, f"labels are not what is predicted ({words})" if changed else words)

    def _regret_share(self, days: list[DayQuality], bias: float) -> float:
        rows = [q.rows for q in days]
        loss = mean_over_days([q.loss for q in days], rows).value
        variance = mean_over_days([q.variance or 0.0 for q in days], rows).value
        regret = bias**2 if self.task == "regression" else bias**2 / (2 * variance)
        return regret / loss if loss else math.inf


@dataclass(frozen=True)
class Drift:
    """The features have moved, confirmed, and the model leans on those that have.

    Attributes:
        minimum_weight: share of the champion's feature importances that must have drifted, 0 to 1.
    """

    minimum_weight: float
    name: str = "drift"

    def look(self, measured: TriggerMeasurement) -> Seen | None:
        """Due when enough of what the model leans on has moved."""
        if measured.drift is None:
            return None
        drift = measured.drift
        if not drift.columns:
            return Seen(False, "no feature has drifted")
        named = f"{', '.join(drift.columns[:3])}{', ...' if len(drift.columns) > 3 else ''}"
        words = f"features with {drift.weight:.0%} of the importance have drifted ({named})"
        return Seen(drift.weight >= self.minimum_weight, words)


def _last_judged(measured: TriggerMeasurement) -> date | None:
    # one that was lost, or that data refused, has answered nobody: it is due again, as soon as back-off lets it
    days = [attempt.as_of for attempt in measured.attempts if attempt.ended in (Ended.PROMOTED, Ended.REJECTED)]
    if measured.champion_as_of is not None:
        days.append(measured.champion_as_of)
    return max(days, default=None)


def _sure(mean: Mean, measured: TriggerMeasurement) -> str:
    return f"t {mean.t:.1f} over {measured.periods(mean.days)}, as sure as {mean.surety:.1f} over many"
