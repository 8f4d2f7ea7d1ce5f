"""`tidewheel alerts`: open incidents, and a test of the channels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.cli.app import main
from tidewheel.ledger import Ledger
from tidewheel.ledger.alert_tables import IncidentRow
from tidewheel.ledger.alerts import OPENED, AlertLog, Post
from tidewheel.ledger.audit import entries
from tidewheel.ledger.tables import Table

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
CHANNELS = """alerts:
  channels:
    team: {url_variable: SHOP_HOOK}
    pager: {url_variable: SHOP_PAGER, lowest_severity: critical}
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertLog:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE + CHANNELS)
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    ledger = Ledger(url)
    Table.metadata.create_all(ledger.engine)
    return AlertLog(ledger)


def tidewheel(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["tidewheel", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_each_channel_gets_a_message_and_one_that_does_not_take_it_is_named(
    log: AlertLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("tidewheel.cli.alerts.send", lambda url, *_: sent.append(url) or "")
    monkeypatch.setenv("SHOP_HOOK", "https://hooks.example/token-4711")
    assert tidewheel(monkeypatch, "alerts", "test", "orders") == 1
    said = capsys.readouterr().out
    assert sent == ["https://hooks.example/token-4711"]
    assert "team (environment variable SHOP_HOOK, info and above): sent" in said
    assert "pager (environment variable SHOP_PAGER, critical and above): failed" in said
    assert "SHOP_PAGER is not set; expected an Apprise URL" in said
    assert "4711" not in said


def test_open_incidents_are_listed_with_what_to_do_and_what_waits(
    log: AlertLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tidewheel(monkeypatch, "alerts", "list") == 0
    assert capsys.readouterr().out == "No open incidents.\n"
    words = {"sentence": "1 of 2 columns [bold]drifted[/].", "action": "Look.", "link": "http://airflow.example/"}
    incident = IncidentRow(
        pipeline="orders", event="drift", subject="", severity="info", opened_at=NOW, reminded_at=NOW, **words
    )
    post = Post("environment variable SHOP_HOOK", OPENED, "info", "title", "body", NOW)
    log.write([(incident, [post])], [], [], [], NOW)
    log.put_off([1], "error=503.", NOW, 1)
    assert tidewheel(monkeypatch, "alerts", "list", "orders") == 0
    said = capsys.readouterr().out
    assert said.startswith("info orders: drift  for ")
    assert "1 of 2 columns [bold]drifted[/].\n    Look.\n    http://airflow.example/\n" in said
    assert "waiting 1 message for the channel in environment variable SHOP_HOOK: error=503." in said


def test_a_misspelled_pipeline_gets_a_hint_and_one_without_channels_a_sentence(
    log: AlertLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tidewheel(monkeypatch, "alerts", "list", "order") == 2
    assert "did you mean 'orders'?" in capsys.readouterr().err
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    assert tidewheel(monkeypatch, "alerts", "test", "orders") == 2
    assert "orders has no channels; name one under alerts.channels" in capsys.readouterr().err


def test_the_alert_of_a_failed_task_is_closed_by_hand_and_others_are_not(
    log: AlertLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log.task_failed("orders", "features", "land", "run", "refused", NOW)
    words = {"sentence": "It drifts.", "action": "Look.", "link": ""}
    incident = IncidentRow(
        pipeline="orders", event="drift", subject="a", severity="info", opened_at=NOW, reminded_at=NOW, **words
    )
    log.write([(incident, [])], [], [], [], NOW)

    close = ("alerts", "close", "orders")
    reason = ("--reason", "the source was given up")
    assert tidewheel(monkeypatch, *close, "features lnd", *reason) == 2
    assert "no failed task 'features lnd', did you mean 'features land'?" in capsys.readouterr().err
    assert tidewheel(monkeypatch, *close, "a", *reason) == 2
    assert "drift (a) holds now and would be opened again; remove its cause (Look.)" in capsys.readouterr().err
    assert tidewheel(monkeypatch, *close, "features land", *reason) == 0
    assert "closed: orders features land" in capsys.readouterr().out

    assert log.failures() == []
    (entry,) = entries(log.ledger, "orders")
    assert (entry.kind, entry.outcome, entry.sentence) == ("alert", "closed", "the source was given up")
    assert "@" in entry.actor
