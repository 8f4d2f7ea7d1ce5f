"""`tidewheel why` tells the last decisions in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.cli.app import main
from tidewheel.ledger import Ledger
from tidewheel.policies.verdict import Kind, Outcome, Verdict

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
HELD = "performance fell (excess log-loss +0.031, t 2.4) but the last training was 3 of 7 cool-down days ago"


@pytest.fixture
def ledger(project_ledger: Ledger) -> Ledger:
    return project_ledger


def decide(ledger: Ledger) -> None:
    for n, verdict in enumerate(
        [
            Verdict(
                Kind.GATE, Outcome.REFUSED, "refused: version 5 is worse [by far]", {"rows": 900}, {"margin": 0.02}
            ),
            Verdict(Kind.TRIGGER, Outcome.SUPPRESSED, f"suppressed: {HELD}"),
            Verdict(Kind.VALIDATION, Outcome.PASSED, "raw: all rules are kept"),
        ]
    ):
        ledger.record("orders", f"subject {n}", f"run {n}", verdict, NOW + timedelta(hours=n))


def why(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["tidewheel", "why", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    if ended.value.code:
        raise ended.value


def test_the_newest_decision_comes_first_and_validation_only_when_asked_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(ledger)
    monkeypatch.setenv("COLUMNS", "160")
    why(monkeypatch, "orders")
    told = capsys.readouterr().out
    assert [line.rstrip() for line in told.splitlines()] == [
        "2026-11-22 04:00  trigger subject 1  suppressed",
        f"  {HELD}",
        "2026-11-22 03:00  gate subject 0  refused",
        "  version 5 is worse [by far]",
    ]
    why(monkeypatch, "orders", "--kind", "validation")
    assert "all rules are kept" in capsys.readouterr().out


def test_a_program_gets_all_that_was_decided_from(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(ledger)
    why(monkeypatch, "orders", "--json", "--last", "2")
    newest, older = json.loads(capsys.readouterr().out)
    assert newest["outcome"] == "suppressed"
    assert (older["inputs"], older["thresholds"]) == ({"rows": 900}, {"margin": 0.02})


def test_what_is_left_of_the_budget_follows_the_triggers_sentence(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for subject, inputs in (("a", {"fits_saved": 1.0}), ("b", {"fits_saved": None, "cpu_seconds_saved": 31.52})):
        ledger.record(
            "orders", subject, subject, Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "no action: calm", inputs), NOW
        )
    why(monkeypatch, "orders")
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1::2]] == [
        "calm (31.5 CPU seconds left of the budget)",
        "calm (1 fit left of the budget)",
    ]


def test_a_pipeline_without_decisions_says_so(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why(monkeypatch, "orders")
    assert "No decision about orders yet" in capsys.readouterr().out


def test_a_misspelled_name_gets_a_hint(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        why(monkeypatch, "order")
    assert ended.value.code == 2
    assert "did you mean 'orders'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "outcome", "inputs", "words"),
    [
        (Kind.TRIGGER, Outcome.NO_ACTION, {"due": []}, "no retraining"),
        (Kind.DRIFT, Outcome.NO_ACTION, {}, "no alarm"),
        (Kind.TRIGGER, Outcome.SUPPRESSED, {"due": ["performance"], "held_by": "cool-down"}, "suppressed"),
        (Kind.TRIGGER, Outcome.SUPPRESSED, {"due": []}, "no retraining"),  # as an older release wrote it
        (Kind.DRIFT, Outcome.SUPPRESSED, {}, "no alarm"),
        (Kind.RELEASE, Outcome.ROLLED_BACK, {}, "rolled back"),
    ],
)
def test_only_what_fired_and_was_held_back_is_called_suppressed(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: Kind,
    outcome: Outcome,
    inputs: dict[str, object],
    words: str,
) -> None:
    ledger.record("orders", "2026-11-22", "run", Verdict(kind, outcome, f"{outcome.words}: because", inputs), NOW)
    why(monkeypatch, "orders")
    told = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in told] == [f"2026-11-22 03:00  {kind} 2026-11-22  {words}", "because"]
