"""What the trigger is told about earlier trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.monitoring.attempts import attempts
from tidewheel.ledger.trainings import FitCost, Judgement, Trainings, Window
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from tests.parcels import Parcels

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = date(2024, 1, 10)
ONE_DAY = timedelta(days=1)


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels]) -> Parcels:
    return make_parcels()


@pytest.fixture
def trainings(parcels: Parcels) -> Trainings:
    return Trainings(parcels.ledger)


def told(parcels: Parcels, now: datetime = NOW) -> list[Attempt]:
    return attempts(parcels.ledger, parcels.name, now)


def ask(parcels: Parcels, day: date) -> None:
    parcels.ledger.fire_request(parcels.name, str(day), "fired: it is time", NOW, Role.ROUTINE)


def judge(
    parcels: Parcels, day: date, run: str, outcome: Outcome | None, version: str = "5", gain: float | None = None
) -> None:
    """A run looks back from a day, and the gate says something of its version; None: there is no challenger."""
    trainings = Trainings(parcels.ledger)
    trainings.begin(parcels.name, run, Window(day, day - 9 * ONE_DAY, day - ONE_DAY), NOW)
    if outcome is None:
        trainings.failed(parcels.name, run, day, NOW)
    else:
        trainings.judged(parcels.name, run, Judgement(version, day, outcome, gain=gain), NOW)
    parcels.ledger.close_request(parcels.name, run, NOW)


def test_a_wish_ends_as_the_run_did_that_answered_it(parcels: Parcels, trainings: Trainings) -> None:
    days = [DAY + n * ONE_DAY for n in range(5)]
    for n, (day, outcome) in enumerate(
        zip(days, [Outcome.PASSED, Outcome.REFUSED, Outcome.PASSED, None], strict=False)
    ):
        ask(parcels, day)
        judge(parcels, day, f"run {n}", outcome, str(n))
    trainings.reviewed(parcels.name, "2", Outcome.REFUSED)
    ask(parcels, days[4])

    ends = [Ended.PROMOTED, Ended.REJECTED, Ended.REJECTED, Ended.FAILED, Ended.RUNNING]
    *judged, running = [Attempt(day, end) for day, end in zip(days, ends, strict=True)]
    assert told(parcels) == [*judged, replace(running, waited_days=0)]
    assert told(parcels, NOW + 2 * ONE_DAY)[-1].waited_days == 2


def test_an_attempt_tells_what_it_cost_and_what_it_can_have_saved(parcels: Parcels, trainings: Trainings) -> None:
    ask(parcels, DAY)
    trainings.fitted(parcels.name, "run", Window(DAY, DAY, DAY), FitCost(2, 9.0, 14.0, 0.0), NOW)
    judge(parcels, DAY, "run", Outcome.PASSED, gain=0.02)

    assert told(parcels) == [Attempt(DAY, Ended.PROMOTED, fits=2, best_gain=0.02, cpu_seconds=14.0)]


def test_a_wish_that_was_lost_has_failed_and_is_asked_for_again(parcels: Parcels) -> None:
    for day in (DAY, DAY, DAY + 2 * ONE_DAY):
        ask(parcels, day)

    assert told(parcels) == [Attempt(DAY, Ended.FAILED), Attempt(DAY + 2 * ONE_DAY, Ended.RUNNING, waited_days=0)]


def test_a_training_that_nobody_requested_counts_from_the_day_it_looked_back_from_once_it_has_ended(
    parcels: Parcels, trainings: Trainings
) -> None:
    trainings.begin(parcels.name, "given up", Window(DAY, DAY, DAY), NOW)
    judge(parcels, DAY, "by hand", Outcome.REFUSED)

    assert told(parcels) == [Attempt(DAY, Ended.REJECTED)]


def test_a_night_that_is_run_again_does_not_see_how_far_its_own_training_has_come(
    parcels: Parcels, trainings: Trainings
) -> None:
    ask(parcels, DAY)
    later = DAY + 3 * ONE_DAY
    trainings.begin(parcels.name, "run", Window(later, DAY, DAY), NOW)

    assert [one.as_of for one in told(parcels)] == [DAY]
    judge(parcels, later, "run", Outcome.PASSED)
    assert [one.as_of for one in told(parcels)] == [later]
