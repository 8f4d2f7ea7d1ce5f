"""The pipeline's own policy at work: its triggers decide, its gate judges, as in jobs `monitor` and `evaluate`."""

from __future__ import annotations

import math
from datetime import date

from jobs.data.training_data import TrainingData, matured_until
from jobs.models.prediction import Array
from jobs.monitoring.expectation import Expectation
from jobs.replay.fits import Fitter
from jobs.replay.gate import judge, meaning
from jobs.replay.history import Known
from jobs.replay.retraining import Champion, Decision, Training
from jobs.replay.watch import Watch
from tidewheel.errors import DataRefused
from tidewheel.policies.trigger.attempts import Attempt, Ended, best_gain, undecided
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.policy import TriggerPolicy
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import Pipeline


class DeclaredRetraining:
    """Does what a pipeline file says.

    Args:
        pipeline: the declaration.
        fitter: fits the models.
    """

    def __init__(self, pipeline: Pipeline, fitter: Fitter) -> None:
        self._pipeline = pipeline
        self._fitter = fitter
        self._triggers = TriggerPolicy.of(pipeline)
        self._champion: Champion | None = None
        self._trained = 0
        self._alarmed = self._fallen = False
        self._attempts: list[Attempt] = []
        self._judged_on: list[set[date]] = []
        self._said: dict[date, tuple[str, Array]] = {}
        self._watch = Watch(pipeline)
        self._expected: dict[str, Expectation] = {}

    @property
    def champion(self) -> Champion:
        """The version that passed last."""
        assert self._champion is not None
        return self._champion

    def predicted(self, day: date, answers: Array) -> None:
        """Keep the answers until the day's labels are known."""
        self._said[day] = (self.champion.version, answers)

    def decide(self, known: Known) -> Decision:
        """Measure what has matured since the last evening, and ask the triggers."""
        self._measure(known)
        return self._ask(known)

    def _measure(self, known: Known) -> None:
        for day in sorted(day for day in self._said if day <= known.matured_until):
            self._matured(known, day, *self._said.pop(day))

    def _ask(self, known: Known) -> Decision:
        verdict = self._triggers.decide(self._measured(known))
        self._alarmed = verdict.role in (Role.ALARM, Role.FALL)
        self._fallen = verdict.role is Role.FALL
        return Decision(known.as_of, verdict.outcome is Outcome.FIRED, verdict.sentence, verdict.alarms)

    def _matured(self, known: Known, day: date, version: str, answers: Array) -> None:
        """Measure a day whose labels have come."""
        self._watch.measure(known, day, version, answers, self._expected[version])

    def train(self, known: Known, why: str) -> Training:
        """Train a challenger on what is known, judge it on the newest matured days, promote it where it passes."""
        try:
            held = self._pipeline.held_days(self._alarmed, undecided(self._attempts))
            chosen = known.training_data(self._pipeline, held)
        except DataRefused as error:
            self._attempts.append(Attempt(known.as_of, Ended.FAILED))
            return Training(known.as_of, why, Outcome.REFUSED, str(error), None, 0, 0, 0.0)
        self._trained += 1
        version = str(self._trained)
        made = self._fitter.challenger(known, chosen)
        uses = self._uses(chosen)
        measured, verdict = judge(self._pipeline, known, chosen, version, made.judged, self._champion, uses)
        line = meaning(self._pipeline, known, chosen, made, self._champion)
        self._expected[version] = Expectation(measured.challenger.get("rmse", math.nan) ** 2, line)
        passed = verdict.outcome is Outcome.PASSED
        ended = Ended.PROMOTED if passed else Ended.REJECTED
        gain = None
        if compared := measured.comparison:
            figure = compared.champion[self._pipeline.metric]
            gain = best_gain(compared.loss_difference, compared.upper_bound, figure)
        self._attempts.append(Attempt(known.as_of, ended, made.fits, gain))
        if passed:
            self._champion = Champion(version, known.as_of, made.serving, made.judged)
        promoted = version if passed else None
        says = f"{verdict.sentence}; {made.refit}" if made.refit else verdict.sentence
        rows, cost = made.serving.rows, made.cpu_seconds
        return Training(known.as_of, why, verdict.outcome, says, promoted, made.fits, rows, cost)

    def _uses(self, chosen: TrainingData) -> int:
        """How many challengers were judged before on some of the same days."""
        days = {day.day for day in chosen.holdout}
        before = sum(bool(days & earlier) for earlier in self._judged_on)
        self._judged_on.append(days)
        return before

    def _measured(self, known: Known) -> TriggerMeasurement:
        champion, training = self.champion, self._pipeline.training
        seen = matured_until(self._pipeline, champion.as_of)
        matured = known.matured()
        if training.window_days is not None:
            held = 0 if self._pipeline.on_probation else training.holdout_days
            reach = training.window_days + held
            matured = [day for day in matured if (seen - day.day).days < reach]
        return TriggerMeasurement(
            today=known.as_of,
            champion_version=champion.version,
            champion_as_of=champion.as_of,
            known_rows=sum(day.labels.rows for day in matured if day.day <= seen),
            new_rows=sum(day.labels.rows for day in matured if day.day > seen),
            quality=tuple(self._watch.qualities),
            concept_alarms=self._watch.concept_alarms(known.as_of),
            attempts=tuple(self._attempts),
        )
