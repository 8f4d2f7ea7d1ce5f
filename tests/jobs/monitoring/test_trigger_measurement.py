"""What the trigger is told about earlier trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.monitoring.trigger_measurement import attempts
from tidewheel.policies.trigger_facts import Attempt, Ended
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.parcels import Parcels

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = date(2024, 1, 10)


def told(parcels: Parcels) -> list[Attempt]:
    return attempts(parcels.lake, parcels.ledger, parcels.name, NOW, DAY - timedelta(days=84))


def ask(parcels: Parcels, day: date, run: str | None, *verdicts: Verdict) -> None:
    """The trigger asks on a day; a training run answers with some verdicts, or None does."""
    parcels.ledger.fire_request(parcels.name, str(day), "fired: it is time", NOW)
    for n, verdict in enumerate(verdicts):
        parcels.ledger.record(parcels.name, f"{n}", run or "", verdict, NOW + timedelta(minutes=n))
    if run is not None:
        parcels.ledger.close_request(parcels.name, run, NOW)


def gate(outcome: Outcome) -> Verdict:
    return Verdict(Kind.GATE, outcome, "said", {"version": "5"})


def test_a_wish_ends_as_the_run_did_that_answered_it(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    days = [DAY + timedelta(days=n) for n in range(5)]
    ask(parcels, days[0], "run 0", gate(Outcome.PASSED))
    ask(parcels, days[1], "run 1", gate(Outcome.REFUSED))
    ask(parcels, days[2], "run 2", gate(Outcome.PASSED), Verdict(Kind.REVIEW, Outcome.REFUSED, "rejected by Ada"))
    ask(parcels, days[3], "run 3", Verdict(Kind.GATE, Outcome.INCONCLUSIVE, "no challenger", {"as_of": str(days[3])}))
    ask(parcels, days[4], None)
    ends = [Ended.PROMOTED, Ended.REJECTED, Ended.REJECTED, Ended.FAILED, Ended.RUNNING]
    *judged, running = [Attempt(day, end) for day, end in zip(days, ends, strict=True)]
    assert told(parcels) == [*judged, replace(running, waited_days=0)]


def test_an_attempt_tells_what_it_cost_and_what_it_can_have_saved(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    compared = {"version": "5", "champion": {"log_loss": 0.5}, "loss_difference": -0.004, "upper_bound": 0.002}
    verdict = Verdict(Kind.GATE, Outcome.PASSED, "said", compared, {"metric": "log_loss"})
    ask(parcels, DAY, "run", verdict, Verdict(Kind.REVIEW, Outcome.PASSED, "approved by Ada"))
    record = JobRecord(pipeline=parcels.name, job="train", run_id="run", partition=str(DAY), figures={"fits": 2})
    write_record(parcels.lake, record)
    (found,) = told(parcels)
    assert found.fits == 2
    assert found.best_gain == pytest.approx(0.02)


def test_a_wish_that_was_lost_has_failed_and_is_asked_for_again(make_parcels: Callable[..., Parcels]) -> None:
    parcels = make_parcels()
    for day in (DAY, DAY, DAY + timedelta(days=2)):
        ask(parcels, day, None)
    assert told(parcels) == [
        Attempt(DAY, Ended.FAILED),
        Attempt(DAY + timedelta(days=2), Ended.RUNNING, waited_days=0),
    ]


def test_a_training_that_a_person_started_counts_from_the_day_it_looked_back_from(
    make_parcels: Callable[..., Parcels],
) -> None:
    parcels = make_parcels()
    parcels.ledger.record(parcels.name, "version 5", "by hand", gate(Outcome.REFUSED), NOW)
    parcels.ledger.record(parcels.name, "version 4 by hand", "no run", gate(Outcome.PASSED), NOW)
    figures = {"as_of": str(DAY)}
    record = JobRecord(pipeline=parcels.name, job="assemble", run_id="by hand", partition=str(DAY), figures=figures)
    write_record(parcels.lake, record)
    assert told(parcels) == [Attempt(DAY, Ended.REJECTED)]
