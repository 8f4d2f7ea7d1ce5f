"""A failed task is a log line and a row in the ledger, and never a second failure."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from plugins.alerts import TaskFailed, TaskSucceeded
from tidewheel.ledger import Ledger
from tidewheel.ledger.alerts import AlertLog
from tidewheel.ledger.tables import Table
from tidewheel.ledger.task_tables import TaskRunsRow

START = datetime(2026, 11, 22, 3, tzinfo=UTC)
TASK = SimpleNamespace(
    dag_id="orders.features",
    task_id="land",
    run_id="run 1",
    try_number=3,
    start_date=START,
    end_date=START + timedelta(seconds=40),
)
CONTEXT: Any = {"ti": TASK, "exception": ValueError("column amount is missing")}


@pytest.fixture
def alert_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertLog:
    """A ledger that the settings of this process name."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    ledger = Ledger(url, patience_seconds=0)
    Table.metadata.create_all(ledger.engine)
    return AlertLog(ledger)


def test_a_failure_names_the_task_the_owner_and_the_error(
    alert_log: AlertLog, caplog: pytest.LogCaptureFixture
) -> None:
    TaskFailed("orders", "shop")(CONTEXT)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    failure = json.loads(record.getMessage().removeprefix("task failed: "))
    assert failure["error"] == "column amount is missing"
    assert (failure["event"], failure["pipeline"], failure["owner"]) == ("task_failed", "orders", "shop")
    assert failure["url"].endswith("/dags/orders.features/runs/run%201/tasks/land")
    (row,) = alert_log.failures()
    assert (row.pipeline, row.purpose, row.task_id, row.run_id) == ("orders", "features", "land", "run 1")
    assert row.error == "column amount is missing"


def test_the_same_task_that_succeeds_has_recovered(alert_log: AlertLog) -> None:
    TaskFailed("orders", "shop")(CONTEXT)
    validate: Any = {"ti": SimpleNamespace(**vars(TASK) | {"task_id": "validate"})}
    TaskSucceeded("orders")(validate)
    assert len(alert_log.failures()) == 1
    TaskSucceeded("orders")(CONTEXT)
    assert alert_log.failures() == []


def test_runs_of_a_task_are_counted_with_what_they_took(alert_log: AlertLog) -> None:
    for seconds in (40, 20):
        ended: Any = {"ti": SimpleNamespace(**vars(TASK) | {"end_date": START + timedelta(seconds=seconds)})}
        TaskSucceeded("orders")(ended)
    TaskFailed("orders", "shop")(CONTEXT)
    with alert_log.ledger.session() as session:
        found = {row.outcome: row for row in session.scalars(select(TaskRunsRow))}
    succeeded, failed = found["succeeded"], found["failed"]
    assert (succeeded.pipeline, succeeded.purpose, succeeded.task_id) == ("orders", "features", "land")
    assert (succeeded.runs, succeeded.seconds, succeeded.last_seconds) == (2, 60, 20)
    assert (failed.runs, failed.seconds) == (1, 40)


@pytest.mark.parametrize("url", ["", "postgresql+psycopg2://tidewheel:secret@127.0.0.1:1/ledger"])
def test_a_ledger_that_is_away_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    monkeypatch.setattr("plugins.alerts.PATIENCE_SECONDS", 0)
    TaskFailed("orders", "shop")(CONTEXT)
    assert "no alert is sent of this failure" in caplog.messages[-1]
    TaskSucceeded("orders")(CONTEXT)
    assert "an alert of this task may stay open until it succeeds again" in caplog.messages[-1]
    assert "secret" not in caplog.text
