"""What of a pipeline needs attention, and in which order: pure, from rows of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from plugins.web.attention import FailedRun, PipelineSnapshot, Urgency, concerns
from plugins.web.fleet import line, worst_first
from plugins.web.fleet_rows import FleetRows
from tests.pipelines import PIPELINE_FILE
from tidewheel.alerts.conditions import conditions
from tidewheel.alerts.facts import Facts
from tidewheel.ledger.tables import PromotionRow, ReleaseRow, RetrainRequestRow, VerdictRow
from tidewheel.spec import Pipeline, load_pipeline

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)


@pytest.fixture
def orders(tmp_path: Path) -> Pipeline:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE)
    return load_pipeline(path)


def verdict(kind: str, outcome: str, sentence: str, **inputs: Any) -> VerdictRow:
    return VerdictRow(
        pipeline="orders",
        kind=kind,
        subject="2026-11-26",
        run_id="run",
        outcome=outcome,
        sentence=f"{outcome.replace('_', ' ')}: {sentence}",
        inputs=inputs,
        decided_at=NOW,
    )


def standing(pipeline: Pipeline, **facts: Any) -> PipelineSnapshot:
    fresh = {"data_partition": "2026-11-26", "monitored_day": "2026-11-26", "label_day": "2026-11-25", "champion": "7"}
    return PipelineSnapshot("orders", NOW, declared=pipeline, **{**fresh, **facts})


def titles(known: PipelineSnapshot) -> list[str]:
    return [concern.title for concern in concerns(known)]


def test_a_pipeline_without_concerns_says_what_the_trigger_said(orders: Pipeline) -> None:
    said = verdict("trigger", "no_action", "nothing calls for a training", due=[])
    [only] = concerns(standing(orders, verdicts={"trigger": said}))
    assert only.urgency is Urgency.FINE
    assert only.sentence == "Version 7 is champion. On 2026-11-26: nothing calls for a training."


def test_what_needs_a_person_comes_before_what_is_to_be_watched(orders: Pipeline) -> None:
    known = standing(
        orders,
        failed=[FailedRun("features", "run", "2026-11-26", NOW)],
        release=ReleaseRow(version="8", status="failed", reason="bake: it errs", started_at=NOW),
        request=RetrainRequestRow(reason="by hand", asked_at=NOW),
        data_partition="2026-11-22",
        label_day="2026-11-20",
        verdicts={
            "trigger": verdict("trigger", "suppressed", "excess loss", due=["performance"]),
            "drift": verdict("drift", "fired", "amount 0.61"),
        },
    )
    assert titles(known) == [
        "features failed",
        "release failed",
        "data late",
        "labels late",
        "quality falling",
        "drift",
        "training requested",
    ]


def test_an_approval_waits_only_where_the_pipeline_asks_for_one(orders: Pipeline) -> None:
    waiting = verdict("gate", "passed", "better")
    assert titles(standing(orders, waiting=waiting)) == ["fine"]
    manual = orders.model_copy(update={"gate": orders.gate.model_copy(update={"approval": "manual"})})
    assert titles(standing(manual, waiting=waiting)) == ["approval waiting"]


def test_a_routine_training_is_no_falling_quality(orders: Pipeline) -> None:
    said = verdict("trigger", "fired", "21 days old", due=["staleness"])
    assert titles(standing(orders, verdicts={"trigger": said})) == ["fine"]


def test_a_source_that_has_ended_is_not_late(orders: Pipeline) -> None:
    ended = orders.model_copy(update={"source": orders.source.model_copy(update={"end": date(2026, 10, 31)})})
    known = standing(ended, data_partition="2026-10-31", monitored_day="2026-10-31", label_day="2026-10-30")
    assert titles(known) == ["fine"]


def test_console_and_alerts_call_the_same_days_late(orders: Pipeline) -> None:
    for allowed, late in ((6, []), (5, ["data late"])):  # the night was due at 03:00, and it is 09:00
        patient = orders.model_copy(update={"alerts": orders.alerts.model_copy(update={"data_late_hours": allowed})})
        known = standing(patient, data_partition="2026-11-25", label_day="2026-11-22")
        days = {"validated_partition": "2026-11-25", "monitored_day": "2026-11-26", "labelled_day": "2026-11-22"}
        facts = Facts(pipeline=patient, **days)  # type: ignore[arg-type]
        assert titles(known) == (late or ["fine"])
        assert [one.event.replace("_", " ") for one in conditions(facts, NOW)] == late
    known, facts = standing(orders, label_day="2026-11-21"), replace(facts, pipeline=orders, labelled_day="2026-11-21")
    assert titles(known) == ["labels late"]
    assert "labels_late" in [one.event for one in conditions(facts, NOW)]


def test_console_and_alerts_call_the_same_hours_late(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE + "partition: hour\nalerts: {data_late_hours: 2}\n")
    hourly = load_pipeline(path)  # the run of 06:10 was for the hour from five to six, and it is 09:00
    for newest, late in (("2026-11-27T05", []), ("2026-11-27T04", ["data late"])):
        known = standing(hourly, data_partition=newest)
        facts = Facts(pipeline=hourly, validated_partition=newest)
        assert titles(known) == (late or ["fine"])
        assert [one.event.replace("_", " ") for one in conditions(facts, NOW)] == late
    [concern], [condition] = concerns(known), conditions(facts, NOW)
    assert concern.sentence == "The newest data is of 2026-11-27T04; expected 2026-11-27T05, 1 hour later."
    assert condition.sentence.startswith("The rows of 2026-11-27T05 have not arrived: the newest validated hour is 202")


def test_a_release_was_rolled_back_only_where_it_had_answered_callers(orders: Pipeline) -> None:
    row = ReleaseRow(version="8", status="failed", reason="warm_up: no answer", started_at=NOW)
    [failed] = concerns(standing(orders, release=row))
    assert (failed.title, failed.sentence) == ("release failed", "The release of version 8 failed: warm_up: no answer")
    [back] = concerns(standing(orders, release=row, rolled_back=True))
    assert (back.title, back.sentence) == ("release rolled back", "Version 8 was rolled back: warm_up: no answer")


def test_without_the_ledger_nothing_is_said_to_be_missing(orders: Pipeline) -> None:
    known = standing(orders, champion="", label_day="", ledger_answers=False)
    assert titles(known) == ["unknown"]


def test_a_file_that_cannot_be_read_needs_a_person() -> None:
    [only] = concerns(PipelineSnapshot("orders", NOW, error="line 3: unknown key"))
    assert (only.urgency, only.sentence) == (Urgency.ACT, "line 3: unknown key")


def test_the_worst_line_is_first(orders: Pipeline) -> None:
    champion = PromotionRow(pipeline="orders", version="7", promoted_at=NOW)
    failed = ReleaseRow(pipeline="orders", version="8", status="failed", reason="it errs", started_at=NOW)
    known = standing(orders)
    fine = line(known, FleetRows(promotions={"orders": champion}), None)
    rows = FleetRows(promotions={"orders": champion}, releases={"orders": failed})
    bad = line(replace(known, name="orders"), rows, None)
    late = line(replace(known, data_partition="2026-11-01"), FleetRows(promotions={"orders": champion}), None)
    assert worst_first([fine, late, bad]) == [bad, late, fine]
    assert fine.champion_days == 0
