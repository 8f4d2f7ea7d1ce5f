"""What the ledger knows of models, and that two processes at once write one line once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest

from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import OVERRIDE, Models, objection, override_subject, subject
from tidewheel.ledger.tables import ModelVersionRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict

NOW = datetime(2024, 1, 13, tzinfo=UTC)
AT_ONCE = 6


def row(version: str | None, run_id: str = "one") -> ModelVersionRow:
    facts: dict[str, Any] = {"files": {}, "importances": {}, "bento": {}, "created_by": "a test", "created_at": NOW}
    days = {"as_of": "2024-01-13", "train_start": "2024-01-01", "train_end": "2024-01-10"}
    made = {"mlflow_run": "r", "source": "models:/m-1", "run_id": run_id, "data_hash": "d", "estimator": "xgboost"}
    return ModelVersionRow(pipeline="orders", version=version, **made, **days, **facts)


@pytest.fixture
def ledger(database_url: str) -> Ledger:
    """In PostgreSQL, whose transactions truly run at once."""
    return Ledger(database_url)


@pytest.mark.parametrize("actor", ["anna", ""])
@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.GATE])
def test_processes_that_decide_the_same_at_the_same_moment_write_one_line(
    database_url: str, ledger: Ledger, kind: Kind, actor: str
) -> None:
    verdict = Verdict(kind, Outcome.PASSED, "version 2 is released by hand: now", {OVERRIDE: "now"})
    ready = Barrier(AT_ONCE)

    def decide(number: int) -> bool:
        own = Ledger(database_url)  # a connection of its own, as another process has
        ready.wait(30)
        return own.record_once("orders", "version 2", f"run {number}", verdict, datetime.now(UTC), actor=actor)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        written = list(pool.map(decide, range(AT_ONCE)))
    assert sum(written) == 1
    assert len(ledger.verdicts("orders", kind)) == 1


def test_the_same_words_by_another_person_or_after_another_decision_are_another_line(ledger: Ledger) -> None:
    yes = Verdict(Kind.RELEASE, Outcome.PASSED, "released by hand")
    no = Verdict(Kind.RELEASE, Outcome.REFUSED, "is not released")
    said = [(yes, "anna"), (yes, "anna"), (yes, "ben"), (no, "ben"), (yes, "ben")]
    written = [
        ledger.record_once("orders", "v", f"{number}", verdict, NOW, actor=who)
        for number, (verdict, who) in enumerate(said)
    ]
    assert written == [True, False, True, True, True]


def test_promotions_at_once_are_one_row_and_know_the_version_before(database_url: str, ledger: Ledger) -> None:
    Models(ledger).promote("orders", "1", "", "the gate", "one", NOW)
    ready = Barrier(AT_ONCE)

    def promote(number: int) -> None:
        ready.wait(30)
        Models(Ledger(database_url)).promote("orders", "2", "", "anna", f"run {number}", NOW)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(promote, range(AT_ONCE)))
    newest = Models(ledger).promotion("orders")
    assert newest is not None
    assert (newest.version, newest.previous_version) == ("2", "1")


def test_models_that_were_deleted_on_purpose_leave_their_numbers_and_no_champion(ledger: Ledger) -> None:
    models = Models(ledger)
    models.add(row("1"))
    models.promote("orders", "1", "", "anna", "run", NOW)
    models.forget("orders")
    found = models.get("orders", "1")
    assert found is not None
    assert (found.source, found.files) == ("", {})
    assert models.promotion("orders") is None


def test_a_number_that_mlflow_gives_twice_is_refused(ledger: Ledger) -> None:
    models = Models(ledger)
    models.number(models.add(row(None)).id, "1")
    again = models.add(row(None, "two"))
    with pytest.raises(LedgerError, match=r"has given version 1 a second time.*from run one"):
        models.number(again.id, "1")
    assert models.number(again.id, "2").version == "2"


PASSED, REFUSED = Outcome.PASSED, Outcome.REFUSED


@pytest.mark.parametrize(
    ("said", "manual", "expected"),
    [
        ([], False, "has not passed the gate (it was never judged)"),
        ([(Kind.GATE, PASSED)], False, ""),
        ([(Kind.GATE, REFUSED)], False, "has not passed the gate (refused)"),
        ([(Kind.GATE, PASSED), (Kind.GATE, REFUSED)], False, "has not passed the gate (refused)"),
        ([(Kind.GATE, REFUSED), ("override", PASSED)], False, ""),
        ([(Kind.GATE, PASSED)], True, "waits for an approval (`gate.approval` is `manual`)"),
        ([(Kind.GATE, PASSED), (Kind.REVIEW, PASSED)], True, ""),
        ([(Kind.GATE, REFUSED), ("override", PASSED)], True, "waits for an approval (`gate.approval` is `manual`)"),
        ([(Kind.REVIEW, PASSED)], True, "has not passed the gate (it was never judged)"),
        ([(Kind.GATE, PASSED), (Kind.REVIEW, REFUSED)], False, "was rejected in review by anna"),
        ([(Kind.GATE, PASSED), (Kind.REVIEW, REFUSED), ("override", PASSED)], True, "was rejected in review by anna"),
        ([(Kind.GATE, PASSED), (Kind.REVIEW, PASSED), (Kind.REVIEW, REFUSED)], True, "was rejected in review by anna"),
        ([(Kind.GATE, PASSED), (Kind.REVIEW, REFUSED), (Kind.REVIEW, PASSED)], True, ""),
        ([(Kind.GATE, PASSED), ("promotion", PASSED)], True, ""),
        ([(Kind.GATE, PASSED), ("promotion", PASSED), (Kind.REVIEW, REFUSED)], True, "was rejected in review by anna"),
    ],
)
def test_what_speaks_against_a_version(
    ledger: Ledger, said: list[tuple[str, Outcome]], manual: bool, expected: str
) -> None:
    models = Models(ledger)
    for number, (kind, outcome) in enumerate(said):
        at = datetime(2024, 1, 13, 0, number, tzinfo=UTC)
        if kind == "promotion":
            models.promote("orders", "2", "", "the gate", "one", at)
        elif kind == "override":
            verdict = Verdict(Kind.GATE, outcome, "by hand", {OVERRIDE: "now"})
            ledger.record("orders", override_subject("2"), str(number), verdict, at)
        else:
            verdict = Verdict(Kind(kind), outcome, str(outcome), {"reviewer": "anna"})
            ledger.record("orders", subject("2"), str(number), verdict, at)
    assert objection(models.decisions("orders", "2"), approval_needed=manual) == expected
