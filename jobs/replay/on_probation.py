"""Promoted first, judged on the nights that follow: `gate.mode: probation` at work in a play."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from jobs.data.training_data import LabelledDay
from jobs.evaluation.paired_losses import row_losses
from jobs.models.prediction import Array, predict
from jobs.monitoring.expectation import FIRST_DAYS, UNKNOWN, Expectation
from jobs.replay.declared import DeclaredRetraining
from jobs.replay.fits import Fit, Fitter
from jobs.replay.history import Known
from jobs.replay.probation import Probation, usual_days
from jobs.replay.retraining import Champion, Decision, Training
from jobs.training.recency import Chosen, Trial, choose_days
from tidewheel.errors import DataRefused
from tidewheel.policies.change import changed_since
from tidewheel.policies.probation import ProbationPolicy, best_gain
from tidewheel.policies.trigger_facts import Attempt, Ended
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
        self._since: date | None = None
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
        tried = self._tried(known, chosen.training)
        self._since = tried.first
        days = [day for day in chosen.training if tried.first is None or day.day >= tried.first]
        fit = self._fitter.fit(known, days)
        self._champion = Champion(version, known.as_of, fit, fit)
        self._expected[version] = UNKNOWN
        fits, cost = 1 + len(tried.fits), sum(one.cpu_seconds for one in (fit, *tried.fits))
        self._attempts.append(Attempt(known.as_of, Ended.PROMOTED))
        if before is not None:
            predecessor = self._better(before)
            self._probation = Probation(
                self._champion, predecessor, usual_days(self._pipeline, known, self._champion, predecessor)
            )
        says = f"version {version} learned from all days through {fit.learned_until}, and is on probation"
        says = f"{says}; it {tried.words}" if tried.words else says
        return Training(known.as_of, why, Outcome.PASSED, says, version, fits, fit.rows, cost)

    def _tried(self, known: Known, days: Sequence[LabelledDay]) -> Chosen[Fit]:
        """Which days to learn from: as before, unless an alarm has called for the training."""
        if self._champion is None or not self._alarmed:
            return Chosen(self._since)
        pipeline = self._pipeline

        def losses(fit: Fit, days: Sequence[LabelledDay]) -> Array:
            rows = known.labelled([day.day for day in days])
            return row_losses(pipeline.metric, rows.truth, predict(fit.model, rows.frame, pipeline.task))

        trial = Trial(lambda days: self._fitter.fit(known, days), losses, pipeline.training.minimum_rows)
        changed = changed_since(self._watch.qualities)
        champion = self._champion.fit
        return choose_days(trial, days, changed, self._since, champion, champion.learned_until)

    def _better(self, before: Champion) -> Champion:
        """Whom a new version is held against: one still on probation only where it was no worse so far."""
        running = self._probation
        if running is None or sum(day.difference for day in running.days) <= 0:
            return before
        return running.predecessor

    def _matured(self, known: Known, day: date, version: str, answers: Array) -> None:
        if self._pipeline.task == "regression" and self._expected[version] is UNKNOWN:
            truth = known.labelled([day]).truth
            errors = self._first_days.setdefault(version, [])
            errors.append(float(row_losses("rmse", truth, answers).mean()))
            if len(errors) >= FIRST_DAYS:
                self._expected[version] = Expectation(math.fsum(errors) / len(errors))
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
