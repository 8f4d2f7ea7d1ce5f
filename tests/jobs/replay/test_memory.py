"""A play's memory: what it says of probations and trainings, and that it knows no day too early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.loop.promote import begin_probation
from jobs.memory.protocol import Champion
from jobs.replay.declared import DeclaredRetraining
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.memory import ReplayMemory
from jobs.replay.result_cache import ResultCache
from jobs.replay.version import Version
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.policies.probation import PairedDay
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.spec import Pipeline

AS_OF = FIRST + timedelta(days=14)


@dataclass(frozen=True)
class Constant:
    """A model that gives every row the same chance."""

    chance: float

    def predict_proba(self, frame: Any) -> Any:
        return np.tile([1 - self.chance, self.chance], (len(frame), 1))


@pytest.fixture
def memory(make_history: Callable[..., History], tmp_path: Path) -> ReplayMemory:
    """The memory of a play with probation whose versions 1 and 2 were promoted; 2 serves."""
    pipeline = Pipeline.model_validate({**DECLARED, "gate": {"mode": "probation"}})
    found = ReplayMemory(pipeline, Fitter(pipeline, 0, ResultCache(tmp_path)))
    found.evening = make_history(pipeline).on(AS_OF)
    for number, chance in (("1", 0.5), ("2", 0.6)):
        known = Champion(number, AS_OF, None, AS_OF, AS_OF)
        found.versions[number] = Version(known, Constant(chance), Constant(chance))
        found.keep_attempt(Attempt(AS_OF, Ended.PROMOTED), number)
    found.serving = "2"
    return found


def paired(day: date, difference: float) -> PairedDay:
    return PairedDay(day, 60, 0.5 + difference, 0.5, 0.01)


def test_a_return_is_noted_on_the_training_of_the_version_that_was_sent_back(memory: ReplayMemory) -> None:
    begin_probation(memory, "2", AS_OF, "1")
    memory.keep_attempt(Attempt(AS_OF + timedelta(days=1), Ended.FAILED))
    running = memory.probation()
    assert running is not None

    memory.give_back("1", "worse")
    memory.close_probation(running, Verdict(Kind.PROBATION, Outcome.ROLLED_BACK, "worse"), -0.1)

    assert [attempt.ended for attempt in memory.attempts()] == [Ended.PROMOTED, Ended.REJECTED, Ended.FAILED]
    assert [attempt.best_gain for attempt in memory.attempts()] == [None, -0.1, None]
    champion = memory.champion()
    assert champion is not None
    assert champion.version == "1"
    assert memory.probation() is None


@pytest.mark.parametrize(("difference", "judge"), [(0.1, "1"), (-0.1, "2")])
def test_a_version_is_judged_by_whichever_of_the_two_before_did_better(
    memory: ReplayMemory, difference: float, judge: str
) -> None:
    begin_probation(memory, "2", AS_OF, "1")
    memory.keep_paired_days("2", "1", [paired(AS_OF, -9.0), paired(AS_OF + timedelta(days=1), difference)])

    begin_probation(memory, "3", AS_OF + timedelta(days=3), "2")

    running = memory.probation()
    assert running is not None
    assert (running.version, running.predecessor) == ("3", judge)


def test_the_first_version_is_on_no_probation(memory: ReplayMemory) -> None:
    begin_probation(memory, "1", AS_OF, "")

    assert memory.probation() is None


def test_labels_that_have_not_matured_are_refused(memory: ReplayMemory) -> None:
    days = memory.evening.history.days
    known = [day for day in days if day.day <= AS_OF - timedelta(days=2)]

    assert len(memory.training_rows(known)) == 60 * len(known)
    with pytest.raises(ValueError, match="are not known on"):
        memory.training_rows(days[: len(known) + 1])


def test_a_model_that_cannot_be_fitted_is_a_failed_training_as_it_is_of_a_night(
    parcels: Pipeline, make_history: Callable[..., History], tmp_path: Path
) -> None:
    history = make_history()
    single = replace(history, rows=replace(history.rows, truth=np.zeros(len(history.rows))))

    training = DeclaredRetraining(parcels, Fitter(parcels, 0, ResultCache(tmp_path))).train(single.on(AS_OF), "asked")

    assert (training.outcome, training.version, training.fits) == (Outcome.REFUSED, None, 0)
    assert "a classifier needs rows of both kinds" in training.says
