"""What happens next to a pipeline, and what its trainings cost: pure, from rows of the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.web.airflow_runs import NextNight
from plugins.web.attention import PipelineSnapshot
from plugins.web.outlook import outlook
from plugins.web.trainings import Prices, spent, trainings
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger.tables import ModelVersionRow, PromotionRow, ReleaseRow, RetrainRequestRow, VerdictRow
from tidewheel.ledger.training_tables import TrainingRow
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.triggers import Budget

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)


@pytest.fixture
def orders(tmp_path: Path) -> Pipeline:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE + "gate: {approval: manual, approval_timeout_hours: 48}\n")
    return load_pipeline(path)


def version(number: str, day: str) -> ModelVersionRow:
    return ModelVersionRow(version=number, as_of=day, run_id=f"run {number}")


def gate(number: str, outcome: str) -> VerdictRow:
    said = f"{outcome}: version {number}"
    return VerdictRow(kind="gate", subject=f"version {number}", outcome=outcome, sentence=said, decided_at=NOW)


def steps(pipeline: Pipeline, night: NextNight | None = None, **facts: Any) -> dict[str, str]:
    champion = facts.pop("champion_row", None)
    found = outlook(pipeline, PipelineSnapshot("orders", NOW, declared=pipeline, **facts), night, champion)
    return {step.when: step.words for step in found}


def test_what_is_under_way_comes_before_the_next_night(orders: Pipeline) -> None:
    found = steps(
        orders,
        NextNight(datetime(2026, 11, 28, 3, 0, tzinfo=UTC), "2026-11-27"),
        release=ReleaseRow(version="8", status="running"),
        waiting=gate("9", "passed"),
        request=RetrainRequestRow(reason="by hand", day=None),
        label_day="2026-11-25",
        champion_row=version("8", "2026-11-17"),
    )
    assert list(found) == [
        "now",
        "until 2026-11-29 09:00 UTC",
        "next night",
        "2026-11-28 03:00 UTC",
        "2026-11-27 at the earliest",
        "2026-12-08",
    ]
    assert found["2026-11-28 03:00 UTC"] == "The next night lands, scores and monitors 2026-11-27."
    assert found["until 2026-11-29 09:00 UTC"] == "Version 9 waits for an approval; no answer rejects it."


def test_a_paused_pipeline_says_so(orders: Pipeline) -> None:
    assert "until somebody unpauses it" in steps(orders, NextNight(paused=True))["paused"]


def test_where_airflow_has_planned_nothing_the_schedule_says_when(orders: Pipeline) -> None:
    assert steps(orders)["2026-11-28 03:00 UTC"].startswith("By the schedule, the next night lands 2026-11-27")


def test_a_source_that_has_ended_awaits_no_labels(orders: Pipeline) -> None:
    ended = orders.model_copy(update={"source": orders.source.model_copy(update={"end": date(2026, 11, 25)})})
    assert not any("earliest" in when for when in steps(ended, label_day="2026-11-25"))


def test_a_champion_from_elsewhere_has_no_age(orders: Pipeline) -> None:
    assert list(steps(orders, champion_row=version("8", ""))) == ["2026-11-28 03:00 UTC"]


def training(number: str, outcome: str, fits: int | None = None, seconds: float | None = None) -> TrainingRow:
    cpu, gpu = (None, None) if seconds is None else (2.5 * seconds, seconds / 2)
    cost = {"fits": fits, "seconds": seconds, "cpu_seconds": cpu, "gpu_seconds": gpu}
    return TrainingRow(version=number, outcome=outcome, **cost)


def test_fits_and_seconds_of_the_budgets_period_are_added_up(orders: Pipeline) -> None:
    day = date(2026, 11, 26)
    versions = [version(str(n), str(day - timedelta(days=days))) for n, days in ((1, 100), (2, 60), (3, 40), (4, 1))]
    gates = [gate("2", "passed"), gate("3", "refused")]
    promotions = [PromotionRow(version="1"), PromotionRow(version="2")]
    rows = [training("2", "passed", 2, 40.0), training("3", "refused", 1, 20.0), training("1", "passed", 9, 9.0)]
    done = trainings(versions, gates, promotions, [*rows, training("4", "passed")])
    assert [(one.version, one.outcome, one.promoted, one.words) for one in done] == [
        ("4", "passed", False, "The gate has not judged it yet."),
        ("3", "refused", False, "version 3"),
        ("2", "passed", True, "version 2"),
        ("1", "passed", True, "The gate has not judged it yet."),
    ]
    found = spent(orders, str(day), done)
    assert (found.days, found.trainings, found.fits, found.promoted) == (84, 3, 4, 1)
    assert (found.seconds, found.cpu_seconds, found.gpu_seconds, found.seconds_each) == (60.0, 150.0, 30.0, 150.0)
    assert found.price(Prices(cpu_hour=2.4, gpu_hour=12.0, currency="EUR")) == pytest.approx(0.1 + 0.1)


def test_a_budget_in_seconds_is_shown_in_seconds(orders: Pipeline) -> None:
    budget = Budget.model_validate({"cpu_seconds": 600, "days": 84})
    in_seconds = orders.model_copy(update={"triggers": orders.triggers.model_copy(update={"budget": budget})})
    decided = VerdictRow(inputs={"cpu_seconds_saved": 120.0})
    found = spent(in_seconds, "2026-11-26", [], decided)
    assert (found.allowed, found.allowed_seconds, found.left) == (0, 600, "120 CPU seconds left of the budget")


def test_every_training_of_the_period_counts_however_many_are_shown(orders: Pipeline) -> None:
    newest = date(2026, 11, 26)
    versions = [version(str(n), str(newest - timedelta(days=100 - n))) for n in range(101)]
    done = trainings(versions, [], [], [training(str(n), "passed", 1, 1.0) for n in range(101)])
    assert spent(orders, str(newest), done).seconds == 84  # of the budget's 84 days
    free = orders.model_copy(update={"triggers": orders.triggers.model_copy(update={"budget": None})})
    assert spent(free, str(newest), done).fits == 12


def test_what_the_ledger_has_no_row_of_costs_nothing_that_is_known(orders: Pipeline) -> None:
    (found,) = trainings([version("1", "2026-11-26")], [], [], [])
    assert (found.outcome, found.cost) == ("", None)


def test_a_weekly_pipeline_looks_ahead_by_weeks(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE + "partition: week\n")
    weekly = load_pipeline(path)
    found = steps(weekly, label_day="2026-11-09", champion_row=version("8", "2026-11-02"))
    assert found["2026-11-30 03:00 UTC"].startswith("By the schedule, the next weekly run lands 2026-11-23;")
    assert found["2026-11-23 at the earliest"] == "Labels of 2026-11-16 are known, and its predictions are measured."
    assert "2026-11-23" in found, "three weeks old"
    assert spent(weekly, "2026-11-16", []).days == 84


def test_an_hourly_pipeline_runs_by_the_hour_and_is_judged_by_day(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(PIPELINE_FILE + "partition: hour\n")
    hourly = load_pipeline(path)
    planned = steps(
        hourly, NextNight(datetime(2026, 11, 27, 9, 10, tzinfo=UTC), "2026-11-27T08"), label_day="2026-11-25"
    )
    assert planned["2026-11-27 09:10 UTC"] == (
        "The next run lands and scores 2026-11-27T08; 2026-11-27 is monitored when it has all its hours."
    )
    unplanned = steps(hourly, None)
    assert unplanned["2026-11-27 09:10 UTC"] == (
        "By the schedule, the next hourly run lands 2026-11-27T08; Airflow has not planned it."
    )
