"""`tidewheel audit` prints the log and says whether anybody has changed it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tidewheel.cli.app import main
from tidewheel.ledger import Ledger, migrate
from tidewheel.policies.verdict import Kind, Outcome, Verdict

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    migrate(url)
    opened = Ledger(url)
    for n, (name, actor) in enumerate([("orders", ""), ("orders", "ada (Airflow)"), ("visits", "")]):
        verdict = Verdict(Kind.GATE, Outcome.REFUSED, f"version {n} is worse [by far]\nmuch worse", {"rows": 900})
        opened.record(name, f"version {n}", f"run {n}", verdict, NOW + timedelta(days=n), actor=actor)
    return opened


def audit(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.argv", ["tidewheel", "audit", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_pipelines_entries_in_order_with_their_actors_and_the_head(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(monkeypatch, "orders") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "2026-11-22 03:00  orders  gate version 0  refused  by policy  #2",
        "  version 0 is worse [by far]",
        "  much worse",
        "2026-11-23 03:00  orders  gate version 1  refused  by ada (Airflow)  #3",
        "  version 1 is worse [by far]",
        "  much worse",
    ]
    assert "The log is whole: 4 entries" in lines[6]
    head = lines[7]
    assert audit(monkeypatch, "--verify", "--head", head[:20]) == 0
    assert f"and holds {head[:12]}" in capsys.readouterr().out


def test_a_program_gets_every_hash(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(monkeypatch, "--json", "--since", "2026-11-23") == 0

    found = json.loads(capsys.readouterr().out)
    chain = found["entries"]
    assert [entry["pipeline"] for entry in chain] == ["", "orders", "visits"] or [
        entry["pipeline"] for entry in chain
    ] == ["orders", "visits"]  # the first was made today
    assert chain[-1]["previous"] == chain[-2]["hash"]
    assert found["verification"] == {
        "entries": 4,
        "begun": found["verification"]["begun"],
        "head": chain[-1]["hash"],
        "findings": [],
    }


def test_a_changed_log_ends_with_another_exit_code(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER no_update"))
        connection.execute(text("UPDATE audit_entry SET outcome = 'passed' WHERE position = 3"))

    assert audit(monkeypatch, "--verify") == 4

    told = capsys.readouterr()
    assert "entry 3 (2026-11-23 03:00, gate of orders: version 1) was altered after it was written" in told.err
    assert "Decisions after the first of them cannot be relied on" in told.err
    assert "whole" not in told.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nobody"], "no entry of a pipeline 'nobody'"),
        (["--since", "yesterday"], "'yesterday' is no day; expected YYYY-MM-DD"),
        (["--head", "abc"], "'abc' is no hash; expected 12 to 64 hexadecimal digits"),
    ],
)
def test_wrong_usage_is_a_sentence(
    ledger: Ledger,
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit(monkeypatch, *options) == 2
    assert said in capsys.readouterr().err
