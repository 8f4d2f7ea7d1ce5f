"""What a night decides: whether to ask for a training, and how long to wait after one that changed nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from tests.jobs.monitoring.conftest import DAY, MATURED, declare, let_a_day_pass
from tidewheel.ledger.trainings import Judgement, Trainings
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]


def test_a_champion_beyond_its_largest_age_asks_for_a_training(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "fired"
    request = parcels.ledger.open_request(parcels.name)
    assert request is not None
    assert "trained as of 2024-01-03, 7 days ago; at most 6 are allowed" in request.reason
    verdict = parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)[0]
    assert (verdict.subject, verdict.outcome) == (str(DAY), "fired")


def test_a_persons_wish_is_told_once_and_again_where_the_run_was_killed(parcels: Parcels, run_job: RunJob) -> None:
    parcels.ledger.request_training(parcels.name, "a new source", datetime.now(UTC))
    for _ in range(2):  # the second time stands for a task that is tried again
        record = run_job(parcels, "monitor", DAY, "night")
        assert record.figures["outcome"] == "fired"
        assert "a training was requested: a new source" in record.sentence
    [request] = parcels.ledger.requests(parcels.name)
    assert (request.reason, request.day, request.closed_at) == ("a new source", str(DAY), None)
    next_night = run_job(parcels, "monitor", DAY + timedelta(days=1), "next")
    assert next_night.figures["outcome"] == "no_action"


def test_a_training_that_never_answered_is_asked_for_again_and_then_less_and_less_often(
    parcels: Parcels, run_job: RunJob
) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6, budget: null}")
    fired = []
    for n in range(16):
        record = run_job(parcels, "monitor", DAY + timedelta(days=n), f"night-{n}")
        fired += [n] if record.figures["outcome"] == "fired" else []
        let_a_day_pass(parcels)
    assert fired == [0, 2, 6, 14]
    assert [request.closed_by for request in parcels.ledger.requests(parcels.name)] == [None, "lost", "lost", "lost"]


def test_one_rejected_challenger_waits_a_cool_down_and_a_second_one_twice_as_long(
    parcels: Parcels, run_job: RunJob
) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")

    def said(days: int) -> str:
        return run_job(parcels, "monitor", DAY + timedelta(days=days), f"night-{days}").sentence

    def rejected(training: str) -> None:
        parcels.ledger.close_request(parcels.name, training, datetime.now(UTC))
        row = Trainings(parcels.ledger).of_run(parcels.name, training)
        assert row is not None
        as_of = date.fromisoformat(row.requested_day or "")
        refused = Judgement(training, as_of, Outcome.REFUSED)
        Trainings(parcels.ledger).judged(parcels.name, training, refused, datetime.now(UTC))

    said(0)
    rejected("training-1")
    assert "the last training was 1 of 7 cool-down days ago" in said(1)
    assert "fired: version 4 was trained as of 2024-01-03, 14 days ago" in said(7)
    rejected("training-2")
    assert "the last 2 trainings changed nothing: 7 of 14 days of back-off" in said(14)
    assert "fired: version 4 was trained as of 2024-01-03, 28 days ago" in said(21)


def test_refused_labels_are_not_trained_on(parcels: Parcels, run_job: RunJob) -> None:
    declare(parcels, "triggers: {data: null, maximum_age_days: 6}")
    manifest = parcels.lake.need("labels", str(MATURED))
    parcels.lake.store.remove(f"{parcels.name}/labels/{MATURED}/manifest.json")
    parcels.lake.quarantine(manifest, "late is 7, expected 0 or 1", {})
    record = run_job(parcels, "monitor", DAY, "night")
    assert record.figures["outcome"] == "suppressed"
    assert f"but labels of {MATURED} were refused (late is 7, expected 0 or 1)" in record.sentence
