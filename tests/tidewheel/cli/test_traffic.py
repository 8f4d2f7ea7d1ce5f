"""`tidewheel traffic` shows what callers got in the last hour and day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.cli.app import main
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.traffic import Reading, TrafficLog
from tidewheel.policies.guard import RequestCounts


@pytest.fixture
def log(project_ledger: Ledger) -> TrafficLog:
    return TrafficLog(project_ledger)


def record(log: TrafficLog, ago: timedelta, uptime: float, counted: RequestCounts) -> None:
    log.record(Reading("envoy", datetime.now(UTC) - ago, uptime, {("orders", "blue"): counted}))


def traffic(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["tidewheel", "traffic", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_hour_and_day_are_shown_by_version(
    log: TrafficLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Releases(log.ledger).point("orders", "blue", "7", None, datetime.now(UTC))
    record(log, timedelta(hours=3), 10, RequestCounts(1000, 2, 30, ((4.0, 980), (300.0, 20))))
    record(log, timedelta(minutes=5), 10_000, RequestCounts(1200, 2, 30, ((4.0, 1180), (300.0, 20))))
    traffic(monkeypatch, "orders", "--json")
    found = json.loads(capsys.readouterr().out)

    assert found["hour"] == {"7": {"requests": 200, "errors": 0, "refused": 0, "p50_ms": 4.0, "p99_ms": 4.0}}
    assert found["day"] == {"7": {"requests": 1200, "errors": 2, "refused": 30, "p50_ms": 4.0, "p99_ms": 300.0}}
    traffic(monkeypatch, "orders")
    shown = capsys.readouterr().out
    assert "1,200" in shown
    assert "The router was last read at" in shown


def test_a_pipeline_without_requests_and_a_router_that_was_never_read_are_said(
    log: TrafficLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic(monkeypatch, "orders")

    shown = " ".join(capsys.readouterr().out.split())
    assert "orders had no requests in the last day" in shown
    assert "never been read" in shown
