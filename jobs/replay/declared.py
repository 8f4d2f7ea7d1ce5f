"""The pipeline's own policy in a play: the decision loop of the nights, with the play's memory."""

from __future__ import annotations

from datetime import date

from jobs.evaluation.importances import judged_importances
from jobs.evaluation.judgement import judgement
from jobs.loop.choose import choose, try_days_out
from jobs.loop.decide import decide
from jobs.loop.fit import Challenger, make_challenger
from jobs.loop.judge import compare, conclude, judge, meaning
from jobs.loop.promote import begin_probation
from jobs.loop.watch import judge_probation
from jobs.memory.protocol import Champion
from jobs.models.prediction import Array, FittedModel
from jobs.monitoring.concept import slice_alarms
from jobs.partial_failures import PartialFailures
from jobs.replay.drifting import played_drift
from jobs.replay.fits import Fitter, fitted_line
from jobs.replay.history import Known
from jobs.replay.memory import ReplayMemory
from jobs.replay.retraining import EveningDecision, ReplayedTraining
from jobs.replay.version import Version
from tidewheel.errors import DataRefused, ModelRefused
from tidewheel.ledger.trainings import Judgement
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.measurement import FeatureDrift
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
        self._memory = ReplayMemory(pipeline, fitter)
        self._importances: dict[str, dict[str, float]] = {}

    @property
    def champion(self) -> tuple[str, FittedModel]:
        """The version that serves."""
        number = self._memory.serving
        if number is None:
            raise ValueError("no version has passed the gate yet")
        return number, self._memory.versions[number].serving

    def predicted(self, day: date, answers: Array) -> None:
        """Remember the predictions until the day's labels are known."""
        self._memory.keep_predictions(day, answers)

    def decide(self, known: Known) -> EveningDecision:
        """Measure what has matured since the last evening, judge the version on probation, and ask the triggers."""
        memory = self._memory
        memory.evening = known
        tried = judge_probation(memory, known.as_of, memory.measure())
        alarms = slice_alarms(memory.figures, self._pipeline, known.as_of)
        verdict = decide(memory, known.as_of, self._drift(known), alarms)
        memory.role = verdict.role
        return EveningDecision(
            known.as_of,
            verdict.role is not None,
            verdict.sentence,
            verdict.alarms,
            probation=tried.sentence if tried else "",
            returned=tried is not None and tried.outcome is Outcome.ROLLED_BACK,
            undecided=tried is not None and bool(tried.inputs.get("undecided")),
        )

    def _drift(self, known: Known) -> FeatureDrift | None:
        """Measured where a trigger asks for it: it takes longer than all else of an evening."""
        if self._pipeline.triggers.drift is None:
            return None
        weights = self._importances.get(self.champion[0], {})
        return played_drift(known, self._pipeline, self._memory.predicted, weights)

    def train(self, known: Known, why: str) -> ReplayedTraining:
        """Train a challenger on what is known, have the gate judge it, and promote it where it passes."""
        memory = self._memory
        memory.evening, memory.fits, memory.searches = known, [], []
        tried = ""
        try:
            chosen = choose(memory, known.as_of)
            if chosen.alarmed:
                chosen = try_days_out(memory, chosen)
                tried = chosen.tried
            made = make_challenger(memory, chosen, PartialFailures())
            version = self._register(made, chosen.training[-1].day, known.as_of, chosen.since)
            before = memory.champion()
            compared = compare(memory, chosen, version, before)
        except (DataRefused, ModelRefused) as error:
            fits, cost = self._spent()
            memory.keep_attempt(Attempt(known.as_of, Ended.FAILED, cpu_seconds=cost))
            return ReplayedTraining(known.as_of, why, Outcome.REFUSED, str(error), None, fits, 0, cost, tried)
        measured, verdict = judge(memory, compared, version)
        line = meaning(
            self._pipeline, compared.judged, lambda: fitted_line(self._pipeline, made.model, made.training_rows)
        )
        found = judgement(self._pipeline, known.as_of, measured, verdict.outcome, line)
        conclude(memory, compared, found)
        if self._pipeline.triggers.drift is not None:
            judged_model = memory.versions[version].judged
            failures = PartialFailures()
            self._importances[version] = judged_importances(self._pipeline, judged_model, compared.judged, failures)
        self._end(found, 2 if made.refit else chosen.cost, before)
        says = "; ".join(said for said in (verdict.sentence, made.refit, made.began) if said)
        promoted = version if verdict.outcome is Outcome.PASSED else None
        fits, cost = self._spent()
        undecided = promoted is None and (found.gain or 0) > 0
        return ReplayedTraining(
            known.as_of, why, verdict.outcome, says, promoted, fits, len(made.training_rows), cost, tried, undecided
        )

    def _register(self, made: Challenger, judged_until: date, as_of: date, since: date | None) -> str:
        number = str(len(self._memory.versions) + 1)
        known = Champion(number, as_of, since, made.last_day, judged_until)
        judged = made.model if made.judged is None else made.judged
        keys = {id(fit.model): fit.key for fit in self._memory.fits}
        warm = made.start.number if made.start else 0
        named = keys[id(made.model)], keys[id(judged)]
        self._memory.versions[number] = Version(known, made.model, judged, warm, named)
        return number

    def _end(self, found: Judgement, fits: int, before: Champion | None) -> None:
        """Write down how the training ended, and promote what has passed."""
        memory, passed = self._memory, found.outcome is Outcome.PASSED
        ended = Ended.PROMOTED if passed else Ended.REJECTED
        attempt = Attempt(found.as_of, ended, fits, found.gain, cpu_seconds=self._spent()[1])
        memory.keep_attempt(attempt, found.version)
        if passed:
            begin_probation(memory, found.version, found.as_of, before.version if before else "")
            memory.serving = found.version

    def _spent(self) -> tuple[int, float]:
        """Models that were fitted for the training, and seconds of CPU time that they took."""
        fits, searches = self._memory.fits, self._memory.searches
        return len(fits), sum(fit.cpu_seconds for fit in fits) + sum(one.cpu_seconds for one in searches)
