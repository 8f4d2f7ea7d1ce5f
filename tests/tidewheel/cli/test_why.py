"""`tidewheel why` shows the last decisions in words."""

from __future__ import annotations

import json
from collections.abc import Callable
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


@pytest.fixture
def why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `tidewheel why` with options, and returns what it prints."""

    def run(*options: str) -> str:
        monkeypatch.setattr("sys.argv", ["tidewheel", "why", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        if ended.value.code:
            raise ended.value
        return capsys.readouterr().out

    return run


def test_the_newest_decision_comes_first_and_validation_only_when_requested(
    ledger: Ledger, why: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(ledger)
    monkeypatch.setenv("COLUMNS", "160")
    assert [line.rstrip() for line in why("orders").splitlines()] == [
        "2026-11-22 04:00  trigger subject 1  suppressed",
        f"  {HELD}",
        "2026-11-22 03:00  gate subject 0  refused",
        "  version 5 is worse [by far]",
    ]
    assert "all rules are kept" in why("orders", "--kind", "validation")


def test_a_program_gets_all_that_was_decided_from(ledger: Ledger, why: Callable[..., str]) -> None:
    decide(ledger)
    newest, older = json.loads(why("orders", "--json", "--last", "2"))
    assert newest["outcome"] == "suppressed"
    assert (older["inputs"], older["thresholds"]) == ({"rows": 900}, {"margin": 0.02})


def test_what_is_left_of_the_budget_follows_the_triggers_sentence(ledger: Ledger, why: Callable[..., str]) -> None:
    for subject, inputs in (("a", {"fits_saved": 1.0}), ("b", {"fits_saved": None, "cpu_seconds_saved": 31.52})):
        ledger.record(
            "orders", subject, subject, Verdict(Kind.TRIGGER, Outcome.NO_ACTION, "no action: calm", inputs), NOW
        )
    assert [line.strip() for line in why("orders").splitlines()[1::2]] == [
        "calm (31.5 CPU seconds left of the budget)",
        "calm (1 fit left of the budget)",
    ]


def test_a_pipeline_without_decisions_says_so(ledger: Ledger, why: Callable[..., str]) -> None:
    assert "No decision about orders yet" in why("orders")


def test_a_misspelled_name_gets_a_hint(
    ledger: Ledger, why: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        why("order")
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
    why: Callable[..., str],
    kind: Kind,
    outcome: Outcome,
    inputs: dict[str, object],
    words: str,
) -> None:
    ledger.record("orders", "2026-11-22", "run", Verdict(kind, outcome, f"{outcome.words}: because", inputs), NOW)
    assert [line.strip() for line in why("orders").splitlines()] == [
        f"2026-11-22 03:00  {kind} 2026-11-22  {words}",
        "because",
    ]
