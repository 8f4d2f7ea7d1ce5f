"""One simulation: a policy decides day by day, and never sees more than was known."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from jobs.models.prediction import Array, FittedModel, predict
from jobs.replay.declared import DeclaredRetraining
from jobs.replay.fits import Fitter
from jobs.replay.fixed import FixedRetraining
from jobs.replay.history import History
from jobs.replay.policies import Declared, Fixed, Policy
from jobs.replay.retraining import EveningDecision, ReplayedTraining, Retraining
from tidewheel.errors import DataRefused
from tidewheel.partitions import PartitionRange

ROWS_AHEAD = 15_000
"""Rows of coming days, at least one day's, that the version that serves predicts in one call."""


@dataclass(frozen=True)
class Simulation:
    """What a policy did, and what its models said.

    Attributes:
        policy: its name.
        seed: of everything random in its models.
        trainings: in order; the first made the model that the simulation begins with.
        decisions: one an evening.
        versions: which version predicted each played day.
        answers: predictions for the labelled rows of the played days, in the order of the history.
        seconds: how long it took, fits that another one has stored not counted.
    """

    policy: str
    seed: int
    trainings: tuple[ReplayedTraining, ...]
    decisions: tuple[EveningDecision, ...]
    versions: dict[date, str]
    answers: Array = field(repr=False)
    seconds: float

    @property
    def fits(self) -> int:
        """Models fitted, those of the gate included."""
        return sum(training.fits for training in self.trainings)

    @property
    def cpu_seconds(self) -> float:
        """What fitting them cost, on one thread."""
        return sum(training.cpu_seconds for training in self.trainings)

    @property
    def promotions(self) -> int:
        """How often the model changed; the first is not counted."""
        return sum(training.version is not None for training in self.trainings[1:])

    @property
    def rejections(self) -> int:
        """How often a challenger was trained in vain."""
        return sum(training.version is None for training in self.trainings)

    @property
    def undecided(self) -> int:
        """Challengers that the gate refused though they may have been better, and probations that could not tell."""
        refused = sum(training.undecided for training in self.trainings[1:])
        return refused + sum(decision.undecided for decision in self.decisions)

    @property
    def alarms(self) -> int:
        """Evenings on which something was found wrong with the data or the model."""
        return sum(bool(decision.alarms) for decision in self.decisions)


def simulate(
    history: History,
    policy: Policy,
    played: PartitionRange,
    fitter: Fitter,
    tell: Callable[[date, int], None] = lambda day, fits: None,
) -> Simulation:
    """Play a policy from the first day to the last.

    The first model is trained as of the day before. Each day is predicted by the version that is champion then; in the
    evening its labels are not known yet, but those of `labels.delay_days` before are. The policy then decides, and what
    it trains and promotes predicts from the next day on. The last evening decides nothing that could be played. A day
    without rows predicts nothing, and only a calendar decides on it: monitoring runs on published features.

    Args:
        history: must reach until the last day.
        policy: what is played.
        played: first and last day.
        fitter: fits the models.
        tell: called after each day with the day and the fits so far.

    Raises:
        DataRefused: there is too little data for a first model, or the gate refuses it.
    """
    began = time.monotonic()
    retraining = _retraining(policy, fitter)
    first = retraining.train(history.on(played.unit.before(played.first)), "the first model")
    if first.version is None:
        raise DataRefused(
            f"{history.pipeline.name}: policy {policy.name} has no model to begin with on {played.first}: "
            f"{first.says}. Play from a later day on (--from), or change what the gate requires"
        )
    trainings, decisions, versions = [first], list[EveningDecision](), dict[date, str]()
    answers: list[Array] = []
    ahead = _Ahead(history, history.days_of(played))
    with_rows = set(ahead.days)
    for day in played.days:
        known = history.on(day)
        if day in with_rows:
            version, model = retraining.champion
            said = ahead.predicted(version, model, day)
            versions[day] = version
            answers.append(said)
            retraining.predicted(day, said)
        if day < played.last and (day in with_rows or isinstance(policy, Fixed)):
            decision = retraining.decide(known)
            decisions.append(decision)
            if decision.fired:
                trainings.append(retraining.train(known, decision.sentence))
        tell(day, sum(training.fits for training in trainings))
    return Simulation(
        policy.name,
        fitter.training.seed,
        tuple(trainings),
        tuple(decisions),
        versions,
        np.concatenate(answers),
        time.monotonic() - began,
    )


class _Ahead:
    """Predictions of the version that serves, some days at once: of a day alone, most of the time goes to the call.

    A version's prediction depends on nothing but its row, as the gate makes sure of. The policy gets each day's when
    the day has come.

    Args:
        history: has the rows.
        days: that are predicted, oldest first.
    """

    def __init__(self, history: History, days: Sequence[date]) -> None:
        self.days = days
        self._history = history
        self._version = ""
        self._predicted: dict[date, Array] = {}

    def predicted(self, version: str, model: FittedModel, day: date) -> Array:
        """What the version that serves predicts for a day's rows."""
        if version != self._version or day not in self._predicted:
            coming = self.days[bisect_left(self.days, day) :]
            ends = np.cumsum([end - start for start, end in map(self._history.spans.__getitem__, coming)])
            count = max(1, int((ends <= ROWS_AHEAD).sum()))
            days, cuts = coming[:count], ends[: count - 1]
            said = predict(model, self._history.taken(days).frame, self._history.pipeline.task)
            self._version, self._predicted = version, dict(zip(days, np.split(said, cuts), strict=True))
        return self._predicted[day]


def _retraining(policy: Policy, fitter: Fitter) -> Retraining:
    if isinstance(policy, Declared):
        return DeclaredRetraining(policy.pipeline, fitter)
    return FixedRetraining(policy, fitter)
