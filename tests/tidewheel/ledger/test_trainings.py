"""A training is one row, whoever asked for it and however its run went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from tidewheel.ledger import Ledger
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import RETURNED, Probations
from tidewheel.ledger.training_tables import FAILED, TrainingRow
from tidewheel.ledger.trainings import FitCost, Judgement, Trainings, Window
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Outcome

NOW, DAY = datetime(2026, 11, 22, 3, tzinfo=UTC), date(2026, 11, 21)
LATER = NOW + timedelta(hours=1)
WINDOW = Window(DAY, DAY - timedelta(days=30), DAY - timedelta(days=2))
SHOP = "shop"


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    ledger = Ledger(database_url)
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def trainings(ledger: Ledger) -> Trainings:
    return Trainings(ledger)


def one(trainings: Trainings) -> TrainingRow:
    [row] = trainings.all(SHOP)
    return row


def judged(outcome: Outcome = Outcome.PASSED, version: str = "7") -> Judgement:
    return Judgement(version, DAY, outcome, ("2026-11-20 f1 l1",), 0.02, 0.25, {"slope": 0.5})


def test_each_job_of_a_run_fills_in_its_columns_of_one_row(ledger: Ledger, trainings: Trainings) -> None:
    ledger.fire_request(SHOP, str(DAY), "fired: performance fell", NOW, Role.ALARM)
    waiting = one(trainings)
    assert (waiting.requested_by, waiting.requested_day, waiting.run_id) == ("alarm", str(DAY), None)

    trainings.begin(SHOP, "run", WINDOW, LATER)
    trainings.fitted(SHOP, "run", WINDOW, FitCost(2, 60.0, 95.0, 30.0), LATER)
    trainings.registered(SHOP, "run", "7", LATER)
    trainings.judged(SHOP, "run", judged(), LATER)
    ledger.close_request(SHOP, "run", LATER)

    row = one(trainings)
    assert (row.requested_by, row.requested_day, row.requested_at, row.run_id) == ("alarm", str(DAY), NOW, "run")
    assert (row.as_of, row.window_start, row.window_end) == ("2026-11-21", "2026-10-22", "2026-11-19")
    assert (row.fits, row.seconds, row.cpu_seconds, row.gpu_seconds) == (2, 60.0, 95.0, 30.0)
    assert (row.version, row.outcome, row.gain, row.squared_error) == ("7", "passed", 0.02, 0.25)
    assert (row.holdout, row.meaning, row.closed_at) == (["2026-11-20 f1 l1"], {"slope": 0.5}, LATER)


def test_a_job_that_runs_again_fills_in_the_same_row(trainings: Trainings) -> None:
    for outcome in (Outcome.REFUSED, Outcome.PASSED):
        trainings.begin(SHOP, "run", WINDOW, NOW)
        trainings.judged(SHOP, "run", judged(outcome), NOW)

    assert one(trainings).outcome == "passed"


def test_a_figure_that_is_not_a_number_is_unknown(trainings: Trainings) -> None:
    trainings.judged(SHOP, "run", Judgement("7", DAY, Outcome.INCONCLUSIVE, squared_error=float("nan")), NOW)

    assert one(trainings).squared_error is None


def test_a_request_on_a_later_day_closes_the_one_that_nobody_ran(ledger: Ledger, trainings: Trainings) -> None:
    for hours, role in enumerate((Role.ROUTINE, Role.FALL)):
        day = DAY + timedelta(days=hours)
        ledger.fire_request(SHOP, str(day), "fired: it is time", NOW, role)

    lost, open_ = trainings.all(SHOP)
    assert (lost.outcome, lost.closed_at) == (FAILED, NOW)
    assert (open_.requested_by, open_.outcome, open_.closed_at) == ("fall", "", None)


def test_a_request_that_was_made_while_a_run_was_under_way_is_that_runs(ledger: Ledger, trainings: Trainings) -> None:
    trainings.begin(SHOP, "by hand", WINDOW, NOW)
    ledger.fire_request(SHOP, str(DAY), "fired: it is time", LATER, Role.ROUTINE)
    trainings.judged(SHOP, "by hand", judged(), LATER)
    ledger.close_request(SHOP, "by hand", LATER)

    row = one(trainings)
    assert (row.run_id, row.requested_by, row.requested_day) == ("by hand", "routine", str(DAY))


def test_another_run_takes_over_a_request_and_the_one_before_keeps_what_it_cost(
    ledger: Ledger, trainings: Trainings
) -> None:
    ledger.fire_request(SHOP, str(DAY), "fired: it is time", NOW, Role.ROUTINE)
    trainings.fitted(SHOP, "given up", WINDOW, FitCost(1, 60.0, 95.0, 0.0), NOW)
    trainings.begin(SHOP, "second", WINDOW, LATER)

    before, second = trainings.all(SHOP)
    assert (before.run_id, before.requested_day, before.cpu_seconds) == ("given up", None, 95.0)
    assert (second.run_id, second.requested_day, second.requested_by) == ("second", str(DAY), "routine")


def test_a_run_that_answers_without_a_challenger_has_failed(ledger: Ledger, trainings: Trainings) -> None:
    ledger.fire_request(SHOP, str(DAY), "fired: it is time", NOW, Role.ROUTINE)
    ledger.close_request(SHOP, "nothing new", LATER)

    assert (one(trainings).run_id, one(trainings).outcome) == ("nothing new", FAILED)


def test_a_request_that_is_withdrawn_names_no_run_and_may_be_withdrawn_again(
    ledger: Ledger, trainings: Trainings
) -> None:
    for _ in range(2):
        ledger.fire_request(SHOP, str(DAY), "fired: it is time", NOW, Role.ROUTINE)
        ledger.withdraw_request(SHOP, "retired", LATER)

    assert [(row.run_id, row.outcome) for row in trainings.all(SHOP)] == [(None, FAILED)] * 2
    assert [row.closed_by for row in ledger.requests(SHOP)] == ["retired"] * 2


def test_a_person_who_waits_for_the_night_has_no_training_yet(ledger: Ledger, trainings: Trainings) -> None:
    ledger.request_training(SHOP, "a new source", NOW)
    assert trainings.all(SHOP) == []
    assert trainings.of_run(SHOP, "run") is None

    ledger.fire_request(SHOP, str(DAY), "fired: training was asked for", NOW, Role.PERSON)
    assert trainings.of_run(SHOP, "run") is not None
    assert [row.requested_by for row in ledger.requests(SHOP)] == ["person"]


def test_a_version_that_is_sent_back_on_probation_is_rolled_back(ledger: Ledger, trainings: Trainings) -> None:
    for version in ("7", "8"):
        trainings.judged(SHOP, f"run {version}", judged(version=version), NOW)
    probations = Probations(ledger)
    row = ProbationRow(
        pipeline=SHOP, version="8", predecessor="7", as_of=str(DAY), run_id="promoted by hand", opened_at=NOW
    )
    probations.begin(row)
    probations.close(row.id, RETURNED, "worse", -0.03, LATER)

    assert [(row.outcome, row.gain) for row in trainings.all(SHOP)] == [("passed", 0.02), ("rolled_back", -0.03)]


def test_what_a_reviewer_says_of_a_version_is_its_trainings_outcome(trainings: Trainings) -> None:
    trainings.judged(SHOP, "run", judged(), NOW)
    trainings.reviewed(SHOP, "8", Outcome.REFUSED)  # has no row
    assert one(trainings).outcome == "passed"

    trainings.reviewed(SHOP, "7", Outcome.REFUSED)
    assert one(trainings).outcome == "refused"
