"""The memory of a play: what ledger, lake and registry would hold, and nothing that is known later than its evening."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION
from jobs.evaluation.judging import Judged
from jobs.evaluation.usual_days import newest_days, pairs
from jobs.memory.protocol import Champion, Circumstances, Origin, Probation
from jobs.models.paired_losses import PairedAnswers, paired_day
from jobs.models.prediction import Array, FittedModel, predict
from jobs.monitoring.expectation import expected_of
from jobs.replay.figures import PlayedFigures
from jobs.replay.version import Version
from jobs.training.fitting import Fitted
from jobs.training.going_on import Start
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.partial_failures import PartialFailures
    from jobs.replay.fits import Fit, Fitter, Searched
    from jobs.replay.history import Known
    from jobs.training.fitting import TrainingRows
    from jobs.training.search import SearchResult
    from tidewheel.ledger.trainings import Judgement
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.probation import PairedDay
    from tidewheel.policies.trigger.restraints import Role
    from tidewheel.policies.verdict import Verdict
    from tidewheel.spec import Pipeline


class ReplayMemory:
    """What is known of a pipeline on an evening of a play; see `jobs.memory.protocol.Memory`.

    Args:
        pipeline: the declaration that is played.
        fitter: fits its models.

    Attributes:
        fits: models that were fitted since the play last looked.
        searches: for parameters, since then.
        versions: all that were trained, by number.
        serving: the number of the version that serves; None before the first has passed.
        predicted: by day the version that predicted its rows, and its predictions.
        role: on whose behalf the trigger fired this evening.
    """

    def __init__(self, pipeline: Pipeline, fitter: Fitter) -> None:
        self._pipeline = pipeline
        training = pipeline.training.model_copy(update={"refit": "always"})
        self._beginning = pipeline.model_copy(update={"training": training})
        self._fitter = fitter
        self._evening: Known | None = None
        self.fits: list[Fit] = []
        self.searches: list[Searched] = []
        self.versions: dict[str, Version] = {}
        self.serving: str | None = None
        self.role: Role | None = None
        self._attempts: list[tuple[str, Attempt]] = []
        self._judgements: list[Judgement] = []
        self._figures = PlayedFigures(pipeline)
        self.predicted: dict[date, tuple[str, Array]] = {}
        self._unmeasured: set[date] = set()
        self._probation: Probation | None = None
        self._paired: dict[tuple[str, str], dict[date, PairedDay]] = {}

    # --- the play --------------------------------------------------------------------------------------------------

    @property
    def evening(self) -> Known:
        """What is known of the history now."""
        if self._evening is None:
            raise ValueError("no evening of the play has come yet")
        return self._evening

    @evening.setter
    def evening(self, known: Known) -> None:
        self._evening = known

    def keep_predictions(self, day: date, predicted: Array) -> None:
        """Remember what the champion predicted for a day's labelled rows."""
        if self.serving is None:
            raise ValueError(f"no version serves on {day}")
        self.predicted[day] = self.serving, predicted
        self._unmeasured.add(day)

    def measure(self) -> list[date]:
        """Measure the days whose labels have come to be known since the last evening, as job `monitor` does."""
        expected = expected_of(self._judgements, self._figures, self.pipeline.name)
        days = sorted(day for day in self._unmeasured if day <= self.evening.matured_until)
        for day in days:
            self._figures.measure(self.evening, day, *self.predicted[day], expected)
        self._unmeasured -= set(days)
        return days

    def keep_attempt(self, attempt: Attempt, version: str = "") -> None:
        """Remember how a training ended; `version` is empty where it made none."""
        self._attempts.append((version, attempt))

    # --- days and rows ---------------------------------------------------------------------------------------------

    @property
    def pipeline(self) -> Pipeline:
        """The declaration that is played. The first model is fitted through its holdout, as every policy's is."""
        return self._beginning if self.serving is None else self._pipeline

    def training_data(self, as_of: date, held: int | None) -> TrainingData:
        """The days that a training may use."""
        return self.evening.training_data(self.pipeline, held)

    def training_rows(self, days: Sequence[LabelledDay]) -> TrainingRows:
        """The labelled rows of some days."""
        return self.evening.labelled([day.day for day in days])

    # --- models ----------------------------------------------------------------------------------------------------

    def search(self, training_rows: TrainingRows, data_hash: str, failures: PartialFailures) -> SearchResult | None:
        """As the nights do, on one thread and with the seed of the play."""
        self.searches.append(self._fitter.search(training_rows, data_hash, failures))
        return self.searches[-1].result

    def fit(
        self, pipeline: Pipeline, days: Sequence[LabelledDay], training_rows: TrainingRows, start: Start | None = None
    ) -> Fitted:
        """A model of some days, with the seed of the play."""
        begun = self.versions[start.version].keys[start.judged] if start else ""
        self.fits.append(self._fitter.fit(self.evening, days, pipeline.training, start, begun))
        return Fitted(self.fits[-1].model, "cpu")

    def champion(self) -> Champion | None:
        """The version that serves."""
        return None if self.serving is None else self.versions[self.serving].known

    def predictor(self, version: str) -> PlayedModel:
        """A version of the play."""
        return PlayedModel(self, self.versions[version].serving)

    def newest_version(self) -> str | None:
        """The one that was trained last."""
        return next(reversed(self.versions), None)

    def origin(self, version: str) -> Origin:
        """Of a play all versions have one declaration."""
        return Origin(self.versions[version].warm_starts)

    def start(self, version: str, rounds: int, number: int, *, judged: bool) -> Start:
        """One of the play's models."""
        made = self.versions[version]
        return Start(version, made.judged if judged else made.serving, rounds, number, judged)

    # --- trainings so far ------------------------------------------------------------------------------------------

    def requested_by(self) -> Role | None:
        """On whose behalf the trigger fired this evening."""
        return self.role

    def attempts(self) -> Sequence[Attempt]:
        """The trainings of the play."""
        return tuple(attempt for _, attempt in self._attempts)

    def judgements(self) -> Sequence[Judgement]:
        """What the gate found in the play."""
        return tuple(self._judgements)

    # --- the gate --------------------------------------------------------------------------------------------------

    def compared(self, days: Sequence[LabelledDay], challenger: str, champion: str) -> Judged:
        """What both versions predict; a replay has features alone."""
        rows = self.training_rows(days)
        labelled = rows.frame.assign(**{PARTITION: rows.days}).reset_index(drop=True)
        if not len(rows.truth):
            return Judged(labelled, rows.truth, rows.truth, rows.truth if champion else None, champion)
        ours, theirs = (self.versions[version].judged if version else None for version in (challenger, champion))
        said = [None if model is None else predict(model, rows.frame, self.pipeline.task) for model in (ours, theirs)]
        if said[0] is None:
            raise ValueError("there is no challenger to compare")
        return Judged(labelled, rows.truth, said[0], said[1], champion, weights=rows.weights)

    def gate_policy(self, measured: GateMeasurement) -> GatePolicy:
        """The declared gate without latency and size, since nothing is compiled; and without gaps of landed columns."""
        policy = replace(GatePolicy.of(self.pipeline), maximum_latency_ms=None, maximum_size_mb=None)
        unknown = {(gap.column, gap.figure) for gap in measured.gaps if gap.missing}
        return replace(policy, fairness=tuple(r for r in policy.fairness if (r.column, r.figure) not in unknown))

    def keep_judgement(self, found: Judgement) -> None:
        """Remember what the gate found."""
        self._judgements.append(found)

    # --- monitoring ------------------------------------------------------------------------------------------------

    @property
    def figures(self) -> PlayedFigures:
        """Of the days that have matured."""
        return self._figures

    def label_rows(self, first: date | None, last: date) -> Mapping[date, int]:
        """Of the history's days."""
        days = self.evening.matured()
        return {day.day: day.labels.rows for day in days if (first is None or first <= day.day) and day.day <= last}

    def circumstances(self, day: date) -> Circumstances:
        """None: in a play there are no requests, no refused data and no later day."""
        return Circumstances()

    # --- probation -------------------------------------------------------------------------------------------------

    def probation(self) -> Probation | None:
        """The version that is on probation now."""
        return self._probation

    def begin_probation(self, version: str, predecessor: str, as_of: date) -> None:
        """Put a version on probation."""
        self._probation = Probation(version, predecessor, as_of)

    def open_predecessor(self, version: str) -> None:
        """All versions of a play stay."""

    def compared_day(self, running: Probation, day: date, matured: date) -> PairedDay | None:
        """Both versions on the rows of a day that the one on probation predicted."""
        version, ours = self.predicted.get(day, ("", None))
        if version != running.version or ours is None:
            return None
        pipeline, rows = self.pipeline, self.evening.labelled([day])
        theirs = predict(self.versions[running.predecessor].serving, rows.frame, pipeline.task)
        return paired_day(day, pipeline.metric, PairedAnswers(rows.truth, ours, theirs, rows.weights), pipeline.loss)

    def usual_days(self, running: Probation) -> Sequence[PairedDay]:
        """Both versions on days before the promotion."""
        since = self.evening.history.on(running.as_of).matured()
        rows = self.training_rows(newest_days(since))
        ours, theirs = (
            predict(self.versions[version].serving, rows.frame, self.pipeline.task)
            for version in (running.version, running.predecessor)
        )
        labelled = rows.frame.assign(**{PARTITION: rows.days}).reset_index(drop=True)
        judged = Judged(labelled, rows.truth, ours, theirs, running.predecessor, weights=rows.weights)
        return pairs(self.pipeline, judged)

    def paired_days(self, version: str, predecessor: str) -> Sequence[PairedDay]:
        """How two versions compare."""
        days = self._paired.get((version, predecessor), {})
        return [days[day] for day in sorted(days)]

    def keep_paired_days(self, version: str, predecessor: str, days: Sequence[PairedDay]) -> None:
        """Remember how two versions compare."""
        self._paired.setdefault((version, predecessor), {}).update({day.day: day for day in days})

    def record_probation(self, running: Probation, verdict: Verdict) -> None:
        """The play's decisions hold the sentence."""

    def give_back(self, predecessor: str, sentence: str) -> None:
        """Have the predecessor serve again."""
        self.serving = predecessor

    def close_probation(self, running: Probation, verdict: Verdict, gain: float | None) -> None:
        """End a probation; a version that was sent back has changed nothing."""
        self._probation = None
        for place, (version, attempt) in enumerate(self._attempts):
            if version == running.version:
                ended = Ended.REJECTED if verdict.outcome is Outcome.ROLLED_BACK else attempt.ended
                self._attempts[place] = version, replace(attempt, ended=ended, best_gain=gain)


@dataclass(frozen=True)
class PlayedModel:
    """A version that predicts days of the history.

    Attributes:
        memory: has the days.
        model: the version's.
    """

    memory: ReplayMemory
    model: FittedModel

    def predictions(self, days: Sequence[LabelledDay]) -> Array:
        """Predictions for the labelled rows of some days."""
        return predict(self.model, self.memory.training_rows(days).frame, self.memory.pipeline.task)
