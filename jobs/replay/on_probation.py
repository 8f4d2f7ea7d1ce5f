"""Promoted first, judged on the nights that follow: `gate.mode: probation` at work in a play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from statistics import fmean

import numpy as np

from jobs.data.training_data import LabelledDay, TrainingData
from jobs.models.paired_losses import row_losses
from jobs.models.prediction import Array, predict
from jobs.models.row_weights import weighted_by_day
from jobs.monitoring.expectation import FIRST_DAYS, Expectation
from jobs.replay.declared import DeclaredRetraining
from jobs.replay.fits import Challenger, Fit, Fitter
from jobs.replay.gate import judge, meaning
from jobs.replay.history import Known
from jobs.replay.probation import Probation, usual_days
from jobs.replay.retraining import Champion, Decision, Training
from jobs.training.recency import Chosen, Trial, choose_days
from tidewheel.errors import DataRefused
from tidewheel.policies.change import changed_since
from tidewheel.policies.probation import ProbationPolicy, best_gain
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import Pipeline


class ProbationRetraining(DeclaredRetraining):
    """Does what a pipeline file with `gate.mode: probation` says.

    Args:
        pipeline: the declaration.
        fitter: fits the models.
    """

    def __init__(self, pipeline: Pipeline, fitter: Fitter) -> None:
        super().__init__(pipeline, fitter)
        self._policy = ProbationPolicy()
        self._probation: Probation | None = None
        self._since: dict[str, date | None] = {}
        self._first_days: dict[str, list[float]] = {}

    def decide(self, known: Known) -> Decision:
        """Measure what has matured, judge the version on probation, and ask the triggers."""
        self._measure(known)
        said, returned = self._judge(known)
        decision = self._ask(known)
        return replace(decision, probation=said, returned=returned)

    def train(self, known: Known, why: str) -> Training:
        """Train a challenger on all days that have matured, and put it on probation."""
        try:
            chosen = known.training_data(self._pipeline, held=0)
        except DataRefused as error:
            self._attempts.append(Attempt(known.as_of, Ended.FAILED))
            return Training(known.as_of, why, Outcome.REFUSED, str(error), None, 0, 0, 0.0)
        self._trained += 1
        before, version = self._champion, str(self._trained)
        tried, everything = self._tried(known, chosen.training), chosen.training_rows
        chosen = chosen.learning_since(tried.first)
        fit = self._fitter.fit(known, chosen.training)
        fits, cost = 1 + len(tried.fits), sum(one.cpu_seconds for one in (fit, *tried.fits))
        spent = tried.cost(chosen.training_rows, everything)
        _, verdict = judge(self._pipeline, known, chosen, version, fit, before, 0)
        passed = verdict.outcome is Outcome.PASSED
        self._attempts.append(Attempt(known.as_of, Ended.PROMOTED if passed else Ended.REJECTED, spent))
        if passed:
            self._promote(known, chosen, Champion(version, known.as_of, fit, fit), tried.first)
        promoted = version if passed else None
        return Training(
            known.as_of, why, verdict.outcome, verdict.sentence, promoted, fits, fit.rows, cost, tried.words
        )

    def _promote(self, known: Known, chosen: TrainingData, version: Champion, since: date | None) -> None:
        """Make a version champion, on probation where it takes another one's place."""
        before, predecessor = self._champion, self._predecessor()
        self._champion, self._since[version.version] = version, since
        made = Challenger(version.fit, version.fit, 1, 0.0)
        self._expected[version.version] = Expectation(line=meaning(self._pipeline, known, chosen, made, before))
        if predecessor is not None:
            usual = usual_days(self._pipeline, known, chosen, version, predecessor)
            self._probation = Probation(version, predecessor, usual)

    def _predecessor(self) -> Champion | None:
        """Whom a new version is judged by: the champion, unless that is on probation and did worse so far."""
        running = self._probation
        if running is None or sum(day.difference for day in running.days) <= 0:
            return self._champion
        return running.predecessor

    def _tried(self, known: Known, days: Sequence[LabelledDay]) -> Chosen[Fit]:
        """Which days to learn from: as before, unless an alarm has called for the training."""
        if self._champion is None:
            return Chosen(None)
        current = self._since[self._champion.version]
        if not self._alarmed:
            return Chosen(current)
        pipeline = self._pipeline

        def losses(fit: Fit, days: Sequence[LabelledDay]) -> list[Array]:
            parts = [known.labelled([day.day]) for day in days]
            said = [predict(fit.model, rows.frame, pipeline.task) for rows in parts]
            found = [
                row_losses(pipeline.metric, rows.truth, answers, pipeline.loss)
                for rows, answers in zip(parts, said, strict=True)
            ]
            return weighted_by_day(found, [rows.weights for rows in parts])

        trial = Trial(lambda days: self._fitter.fit(known, days), losses, pipeline.training.minimum_rows)
        changed = changed_since(self._watch.qualities)
        champion = self._champion.fit
        return choose_days(trial, days, changed, current, champion, champion.learned_until, self._fallen)

    def _matured(self, known: Known, day: date, version: str, answers: Array) -> None:
        errors = self._first_days.setdefault(version, [])
        if self._pipeline.task == "regression" and len(errors) < FIRST_DAYS:
            rows = known.labelled([day])
            errors.append(float(np.average(row_losses("rmse", rows.truth, answers), weights=rows.weights)))
            if len(errors) == FIRST_DAYS:
                self._expected[version] = replace(self._expected[version], squared_error=fmean(errors))
        super()._matured(known, day, version, answers)
        running = self._probation
        if running is not None and version == running.version.version and day > running.version.as_of:
            running.add(self._pipeline, known, day, answers)

    def _judge(self, known: Known) -> tuple[str, bool]:
        """Decide about the version on probation; returns the sentence and whether its predecessor answers again."""
        if (running := self._probation) is None:
            return "", False
        measured = running.measured(known.as_of)
        verdict = self._policy.decide(measured)
        if verdict.outcome is Outcome.NO_ACTION:
            return verdict.sentence, False
        self._probation, returned = None, verdict.outcome is Outcome.ROLLED_BACK
        if returned:
            self._champion = running.predecessor
        ended = Ended.REJECTED if returned else Ended.PROMOTED
        self._attempts[-1] = replace(self._attempts[-1], ended=ended, best_gain=best_gain(measured))
        return verdict.sentence, returned
