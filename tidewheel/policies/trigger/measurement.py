"""What a trigger policy is given: all that is known on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tidewheel.partitions import DAY, Partitioning
from tidewheel.policies.trigger.attempts import Attempt
from tidewheel.policies.trigger.quality import DayQuality
from tidewheel.quantities import quantity


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
        attempts: trainings so far, oldest first; one that was requested today and is not judged yet is left out, for
            a night that is run again to decide the same.
        request: reason of a request for training that a person left and that is still open.
        data_refused: why the newest data cannot be trained on; None where it can.
        monitored_since: the newest later day that was monitored before this one; None where this is the newest.
        unit: what a partition holds. Ages, windows and waits are counted in partitions, whatever they are called.
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
    unit: Partitioning = DAY

    @property
    def age_days(self) -> int | None:
        """Partitions since the champion was trained; below zero where it knows later ones than today's."""
        return None if self.champion_as_of is None else self.since(self.champion_as_of)

    def since(self, day: date) -> int:
        """Partitions that have passed since one, by its first day."""
        return self.unit.between(day, self.today)

    def periods(self, partitions: float) -> str:
        """A number of partitions in words: `3 days`, `3 weeks`."""
        return quantity(partitions, self.unit)

    def champion_days(self, window_days: int) -> list[DayQuality]:
        """The champion's days of the window that ends with its newest measured day, oldest first."""
        own = sorted((q for q in self.quality if q.version == self.champion_version), key=lambda q: q.day)
        return [q for q in own if q.day > self.unit.before(own[-1].day, window_days)]
