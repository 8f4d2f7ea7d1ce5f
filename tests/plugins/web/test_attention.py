"""What of a pipeline needs attention, and in which order: pure, from rows of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from plugins.web.attention import FailedRun, Standing, Urgency, concerns, expected_day
from plugins.web.fleet import line, worst_first
from plugins.web.fleet_rows import FleetRows
from tests.pipelines import PIPELINE_FILE
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


def standing(pipeline: Pipeline, **facts: Any) -> Standing:
    fresh = {"data_day": "2026-11-26", "label_day": "2026-11-25", "champion": "7"}
    return Standing("orders", NOW, declared=pipeline, **{**fresh, **facts})


def titles(known: Standing) -> list[str]:
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
        data_day="2026-11-22",
        label_day="2026-11-20",
        verdicts={
            "trigger": verdict("trigger", "suppressed", "excess loss", due=["performance"]),
            "drift": verdict("drift", "fired", "amount 0.61"),
        },
    )
    assert titles(known) == [
        "features failed",
        "release rolled back",
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
    assert titles(standing(ended, data_day="2026-10-31", label_day="2026-10-30")) == ["fine"]


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [(9, 0, "2026-11-26"), (3, 30, "2026-11-25"), (4, 0, "2026-11-26"), (0, 10, "2026-11-25")],
)
def test_a_night_is_expected_an_hour_after_it_is_due(orders: Pipeline, hour: int, minute: int, expected: str) -> None:
    assert str(expected_day(orders, NOW.replace(hour=hour, minute=minute))) == expected


def test_without_the_ledger_nothing_is_said_to_be_missing(orders: Pipeline) -> None:
    known = standing(orders, champion="", label_day="", ledger_answers=False)
    assert titles(known) == ["unknown"]


def test_a_file_that_cannot_be_read_needs_a_person() -> None:
    [only] = concerns(Standing("orders", NOW, error="line 3: unknown key"))
    assert (only.urgency, only.sentence) == (Urgency.ACT, "line 3: unknown key")


def test_the_worst_line_is_first(orders: Pipeline) -> None:
    champion = PromotionRow(pipeline="orders", version="7", promoted_at=NOW)
    failed = ReleaseRow(pipeline="orders", version="8", status="failed", reason="it errs", started_at=NOW)
    known = standing(orders)
    fine = line(known, FleetRows(promotions={"orders": champion}), None)
    rows = FleetRows(promotions={"orders": champion}, releases={"orders": failed})
    bad = line(replace(known, name="orders"), rows, None)
    late = line(replace(known, data_day="2026-11-01"), FleetRows(promotions={"orders": champion}), None)
    assert worst_first([fine, late, bad]) == [bad, late, fine]
    assert fine.champion_days == 0
