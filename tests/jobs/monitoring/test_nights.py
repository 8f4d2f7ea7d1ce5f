"""Nights that come twice, late, out of order or all at once: one wish for training, and the right figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.monitoring.attempts import attempts
from tests.jobs.monitoring.conftest import DAY, MATURED, declare, figure, let_a_day_pass, predict_day
from tidewheel.ledger.trainings import FitCost, Judgement, Trainings, Window
from tidewheel.policies.trigger.attempts import Ended
from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
ONE_DAY = timedelta(days=1)
STALE = "triggers: {data: null, performance: null, concept_drift: null, maximum_age_days: 6}"


def answer(parcels: Parcels, training: str, outcome: Outcome = Outcome.REFUSED, as_of: date | None = None) -> None:
    """A training run judges its challenger, and closes the wish."""
    judged = Judgement("5", as_of or DAY, outcome)
    Trainings(parcels.ledger).judged(parcels.name, training, judged, datetime.now(UTC))
    parcels.ledger.close_request(parcels.name, training, datetime.now(UTC))


def test_an_older_day_that_is_monitored_again_keeps_its_figures_and_asks_for_nothing(
    parcels: Parcels, run_job: RunJob
) -> None:
    old = DAY - 2 * ONE_DAY
    predict_day(parcels, old - 2 * ONE_DAY)
    run_job(parcels, "monitor", DAY, "night")
    declare(parcels, "triggers: {data: null, maximum_age_days: 1}")
    assert run_job(parcels, "monitor", DAY, "a newest day").figures["outcome"] == "fired"
    answer(parcels, "training", Outcome.INCONCLUSIVE)
    wishes = len(parcels.ledger.requests(parcels.name))

    record = run_job(parcels, "monitor", old, "corrected")

    assert record.figures["outcome"] == "suppressed"
    assert f"but {DAY} was monitored before, and the newest day decides" in record.sentence
    assert str(old - 2 * ONE_DAY) in figure(parcels, "log_loss")
    assert len(parcels.ledger.requests(parcels.name)) == wishes
    verdict = parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)[0]
    assert (verdict.subject, verdict.inputs["held_by"]) == (str(old), "newest day")


def test_a_wish_of_a_person_waits_for_the_newest_day(parcels: Parcels, run_job: RunJob) -> None:
    run_job(parcels, "monitor", DAY, "night")
    parcels.ledger.request_training(parcels.name, "a new source", datetime.now(UTC))
    assert run_job(parcels, "monitor", DAY - ONE_DAY, "corrected").figures["outcome"] == "suppressed"
    assert run_job(parcels, "monitor", DAY, "again").figures["outcome"] == "fired"


def test_a_day_that_never_was_silences_no_later_night(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, STALE)
    run_job(parcels, "monitor", DAY + timedelta(days=3000), "a typing error")
    answer(parcels, "training", Outcome.INCONCLUSIVE)
    parcels.ledger.request_training(parcels.name, "please", datetime.now(UTC))
    assert "newest day" not in run_job(parcels, "monitor", DAY, "night").sentence


def test_three_weeks_of_nights_at_once_ask_for_one_training(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, f"{STALE[:-1]}, budget: null}}")
    nights = [DAY + n * ONE_DAY for n in range(0, 21, 3)]
    said = [run_job(parcels, "monitor", night, f"night {night}") for night in nights]
    assert [record.figures["outcome"] for record in said] == ["fired", *["suppressed"] * 6]
    assert f"the training requested on {DAY} is not judged yet" in said[-1].sentence
    for _ in range(2):
        let_a_day_pass(parcels)
    assert run_job(parcels, "monitor", nights[-1] + ONE_DAY, "after them").figures["outcome"] == "fired"


@pytest.mark.parametrize("answered", [False, True], ids=["while it trains", "after it was refused"])
def test_a_night_that_is_run_twice_is_one_wish(parcels: Parcels, run_job: RunJob, answered: bool) -> None:
    declare(parcels, STALE)
    first = run_job(parcels, "monitor", DAY, "night")
    if answered:
        answer(parcels, "training")
    second = run_job(parcels, "monitor", DAY, "doubled")
    [wish] = parcels.ledger.requests(parcels.name)
    assert first.figures["wish"] == wish.id
    # the name of the training run is that of the wish: asked for twice, it is one
    assert second.figures.get("wish") == (None if answered else wish.id)
    assert second.figures["outcome"] == ("suppressed" if answered else "fired")


def test_a_refused_challenger_rests_from_the_day_it_knew(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, STALE)
    run_job(parcels, "monitor", DAY, "night")
    answer(parcels, "training", as_of=DAY + 4 * ONE_DAY)
    said = run_job(parcels, "monitor", DAY + 8 * ONE_DAY, "a week later").sentence
    assert "the last training was 4 of 7 cool-down days ago" in said


def test_a_budget_counts_all_the_trainings_of_its_period_however_many(parcels: Parcels) -> None:
    now, days = datetime.now(UTC), [DAY - n * ONE_DAY for n in range(1, 71)]
    trainings = Trainings(parcels.ledger)
    for n, day in enumerate(reversed(days)):
        parcels.ledger.fire_request(parcels.name, str(day), "fired: it fell", now, Role.ALARM)
        cost = FitCost(1 if n else 2, 1.0, 1.0, 0.0)
        trainings.fitted(parcels.name, f"training {n}", Window(day, day, day), cost, now)
        trainings.judged(parcels.name, f"training {n}", Judgement(str(n), day, Outcome.REFUSED), now)
        parcels.ledger.close_request(parcels.name, f"training {n}", now)
    told = attempts(parcels.ledger, parcels.name, now)
    assert [(a.as_of, a.ended) for a in told] == [(d, Ended.REJECTED) for d in reversed(days)]
    assert [a.fits for a in told[:2]] == [2, 1]


def test_a_week_without_labels_is_unknown_and_is_measured_when_they_come(parcels: Parcels, run_job: RunJob) -> None:
    week = [MATURED - n * ONE_DAY for n in range(7)]
    gone = [parcels.lake.need("labels", str(day)) for day in week]
    for day in week:
        predict_day(parcels, day)
        parcels.lake.store.remove(f"{parcels.name}/labels/{day}/manifest.json")
    record = run_job(parcels, "monitor", DAY, "night")
    assert f"performance unknown: no labels of {MATURED}" in record.sentence
    assert figure(parcels, "log_loss") == {}

    for manifest in gone:
        parcels.lake.publish(manifest)
    run_job(parcels, "monitor", DAY + ONE_DAY, "next")
    assert sorted(figure(parcels, "log_loss")) == sorted(str(day) for day in week)


def test_labels_of_a_day_that_was_measured_are_revised(parcels: Parcels, run_job: RunJob) -> None:
    revised = MATURED - 4 * ONE_DAY
    predict_day(parcels, revised)
    run_job(parcels, "monitor", DAY, "night")
    before = figure(parcels, "log_loss")[str(revised)]
    parcels.publish_day(revised, signal=-2.0)
    run_job(parcels, "monitor", DAY + ONE_DAY, "next")
    assert figure(parcels, "log_loss")[str(revised)] > before + 0.1


def test_a_night_that_was_killed_at_any_place_is_done_again_with_one_wish_and_the_same_figures(
    parcels: Parcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(parcels, STALE)
    predict_day(parcels, MATURED)
    ledger = type(parcels.ledger)
    for name in ("put_figures", "forget_figures", "record", "fire_request"):
        killed = iter([True])
        honest = getattr(ledger, name)

        def once(
            self: object, *args: object, honest: object = honest, killed: object = killed, **how: object
        ) -> object:
            result = honest(self, *args, **how)  # type: ignore[operator]
            if next(killed, False):  # type: ignore[call-overload]
                raise KeyboardInterrupt
            return result

        with monkeypatch.context() as patched:
            patched.setattr(ledger, name, once)
            with pytest.raises(KeyboardInterrupt):
                run_job(parcels, "monitor", DAY, "night")
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "fired"
    assert len(parcels.ledger.requests(parcels.name)) == 1
    assert figure(parcels, "rows") == {str(MATURED): 120}
    assert [v.kind for v in parcels.ledger.verdicts(parcels.name)] == [Kind.TRIGGER, Kind.DRIFT]


def test_figures_are_pooled_over_the_window_and_no_day_more(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {data: null, performance: {window_days: 6, minimum_days: 2}, concept_drift: null}")
    for n in range(9):
        predict_day(parcels, MATURED - n * ONE_DAY)
    run_job(parcels, "monitor", DAY, "night")
    assert figure(parcels, "pooled_excess_loss_days") == {str(MATURED): 6.0}
