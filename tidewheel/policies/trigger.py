"""The trigger: is it time to train again?

The calendar of `triggers.calendar` starts the training DAG by itself, so what is decided here is everything else: a
wish somebody (or another run) has left open, and a champion that has grown too old.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tidewheel.policies.verdict import Kind, Outcome, Verdict


@dataclass(frozen=True)
class TriggerMeasurement:
    """What is known on a day."""

    today: date
    champion_version: str | None
    champion_as_of: date | None
    """The day the champion was trained as of."""
    open_request: str | None = None
    """Reason of the wish for training that nobody has answered yet."""


@dataclass(frozen=True)
class TriggerPolicy:
    """Trains when somebody asked for it, or when the champion is too old."""

    maximum_age_days: int | None = None

    def decide(self, measured: TriggerMeasurement) -> Verdict:
        """Decide whether a training should be asked for.

        Args:
            measured: the day, the champion's age and the open wish; `today` is the partition, never the clock.

        Returns:
            fired or suppressed, with the reason.
        """
        age = None
        if measured.champion_as_of is not None:
            age = (measured.today - measured.champion_as_of).days
        if measured.open_request is not None:
            return self._verdict(
                measured, age, Outcome.FIRED, f"fired: training was asked for: {measured.open_request}"
            )
        if measured.champion_version is None:
            return self._verdict(
                measured, age, Outcome.SUPPRESSED, "suppressed: no champion yet, and nobody has asked for the first one"
            )
        known = f"version {measured.champion_version} was trained as of {measured.champion_as_of}"
        if age is None or self.maximum_age_days is None:
            why = f"suppressed: nobody has asked, and no largest age is set ({known})"
            return self._verdict(measured, age, Outcome.SUPPRESSED, why)
        if age > self.maximum_age_days:
            why = f"fired: {known}, {age} days ago; at most {self.maximum_age_days} are allowed"
            return self._verdict(measured, age, Outcome.FIRED, why)
        why = f"suppressed: {known}, {age} of at most {self.maximum_age_days} days ago"
        return self._verdict(measured, age, Outcome.SUPPRESSED, why)

    def _verdict(self, measured: TriggerMeasurement, age: int | None, outcome: Outcome, sentence: str) -> Verdict:
        inputs = {
            "today": measured.today.isoformat(),
            "champion_version": measured.champion_version,
            "age_days": age,
            "open_request": measured.open_request,
        }
        return Verdict(Kind.TRIGGER, outcome, sentence, inputs, {"maximum_age_days": self.maximum_age_days})
