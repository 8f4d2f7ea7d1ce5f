"""A failed task is a log line and a message to the team, and never a second failure."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.alerts import FailureAlert, RollbackAlert, Team
from tidewheel.lake import Lake
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.plugins.conftest import Project

TASK = SimpleNamespace(dag_id="orders.features", task_id="land", run_id="run 1", try_number=3)
CONTEXT: Any = {"ti": TASK, "exception": ValueError("column amount is missing")}


class Webhook(BaseHTTPRequestHandler):
    """Takes alerts, or refuses them on `/refuse`."""

    def do_POST(self) -> None:
        alert = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.alerts.append(alert)  # type: ignore[attr-defined]
        self.send_response(500 if self.path == "/refuse" else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    server.alerts = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("SHOP_WEBHOOK", f"http://127.0.0.1:{server.server_port}/token-4711")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_alert_names_the_task_the_owner_and_the_error(
    webhook: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    FailureAlert(Team("orders", "shop", "SHOP_WEBHOOK"))(CONTEXT)
    (alert,) = webhook.alerts  # type: ignore[attr-defined]
    assert alert["error"] == "column amount is missing"
    assert (alert["event"], alert["pipeline"], alert["owner"]) == ("task_failed", "orders", "shop")
    assert alert["task_id"] == "land"
    assert alert["url"].endswith("/dags/orders.features/runs/run%201/tasks/land")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert json.loads(record.getMessage().removeprefix("task failed: ")) == alert


RELEASE = SimpleNamespace(dag_id="orders.release", task_id="plan", run_id="run 1", try_number=1)


def test_a_release_that_failed_is_told_as_such(webhook: HTTPServer) -> None:
    guard = ValueError("stage bake failed: green errs on 5.1% of requests; version 4 answers and is champion again")
    context: Any = {"ti": RELEASE, "exception": guard}
    FailureAlert(Team("orders", "shop", "SHOP_WEBHOOK"))(context)
    (alert,) = webhook.alerts  # type: ignore[attr-defined]
    assert (alert["event"], alert["error"]) == ("release_failed", str(guard))


@pytest.mark.parametrize(("replaced", "told"), [("5", 1), (None, 0)])
def test_a_rollback_is_told_and_an_ordinary_release_is_not(
    webhook: HTTPServer, project: Project, replaced: str | None, told: int
) -> None:
    record = JobRecord(
        pipeline="orders",
        job="release-plan",
        run_id="run 1",
        partition="2026-01-05",
        figures={"version": "4", "rolled_back_from": replaced},
        sentence="version 4 as blue takes over from version 5 as green",
    )
    write_record(Lake.open("orders"), record)
    context: Any = {"ti": RELEASE}
    RollbackAlert(Team("orders", "shop", "SHOP_WEBHOOK"), "release-plan")(context)
    alerts = webhook.alerts  # type: ignore[attr-defined]
    assert [(a["event"], a["version"], a["instead_of"]) for a in alerts] == [("rolled_back", "4", "5")] * told


def test_without_a_webhook_the_log_is_all(caplog: pytest.LogCaptureFixture) -> None:
    FailureAlert(Team("orders", "shop"))(CONTEXT)
    assert len(caplog.records) == 1


def test_a_webhook_that_fails_fails_nothing_and_its_token_stays_secret(
    webhook: HTTPServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = f"http://127.0.0.1:{webhook.server_port}/refuse"
    for url in (refusing, "http://127.0.0.1:1/token-4711", "no url"):
        monkeypatch.setenv("SHOP_WEBHOOK", url)
        FailureAlert(Team("orders", "shop", "SHOP_WEBHOOK"))(CONTEXT)
        assert "the webhook in SHOP_WEBHOOK did not take the alert" in caplog.messages[-1]
    assert "4711" not in caplog.text


def test_a_webhook_that_is_not_set_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("SHOP_WEBHOOK", raising=False)
    FailureAlert(Team("orders", "shop", "SHOP_WEBHOOK"))(CONTEXT)
    assert "nobody is told: the variable SHOP_WEBHOOK" in caplog.messages[-1]
