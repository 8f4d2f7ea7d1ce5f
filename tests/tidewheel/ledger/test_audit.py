"""The audit log on a real PostgreSQL: what is written, what the database refuses, and what verification sees."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.audit import Act, entries
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.renaming import rename_rows
from tidewheel.ledger.verification import verify
from tidewheel.policies.verdict import Kind, Outcome, Verdict

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def gate(outcome: Outcome = Outcome.PASSED, **inputs: object) -> Verdict:
    return Verdict(Kind.GATE, outcome, f"it {outcome}", inputs, {"margin": 0.002})


def decide(ledger: Ledger, count: int = 5) -> None:
    for n in range(count):
        ledger.record("shop", f"version {n}", f"run-{n}", gate(log_loss=0.4 + n / 7), NOW + timedelta(hours=n))


def tamper(ledger: Ledger, *statements: str) -> None:
    """Change the log as somebody with all rights on the database can."""
    with ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER ALL"))


def test_each_decision_and_act_is_an_entry_with_its_actor(ledger: Ledger) -> None:
    ledger.record("shop", "version 2", "run-1", gate(), NOW)
    review = Verdict(Kind.REVIEW, Outcome.PASSED, "approved by ada", {"reviewer": "ada"})
    ledger.record_once("shop", "version 2", "run-1", review, NOW, actor="ada (Airflow)")
    Models(ledger).promote("shop", "2", "it is better", "ada (Airflow)", "run-1", NOW)
    releases = Releases(ledger, "bob@host")
    row = releases.begin("shop", "2", "green", {"sentence": "all stages"}, "run-2", NOW)
    releases.point("shop", "green", "2", "1", NOW)
    releases.ask_back(row.id, "by hand (bob@host)")
    releases.end(row.id, Status.FAILED, "taken back", NOW + timedelta(minutes=1))
    releases.forget_endpoint("shop")

    found = [(row.kind, row.subject, row.outcome, row.actor) for row in entries(ledger, "shop")]

    assert found == [
        ("gate", "version 2", "passed", ""),
        ("review", "version 2", "passed", "ada (Airflow)"),
        ("promotion", "version 2", "promoted", "ada (Airflow)"),
        ("release", "version 2", "begun", "bob@host"),
        ("endpoint", "version 2", "pointed", "bob@host"),
        ("rollback", "version 2", "requested", "bob@host"),
        ("release", "version 2", "failed", "bob@host"),
        ("endpoint", "version 2", "withdrawn", "bob@host"),
    ]
    assert verify(ledger).findings == ()


def test_what_is_said_twice_is_one_entry_and_what_is_said_anew_is_another(ledger: Ledger) -> None:
    ledger.record("shop", "version 2", "run-1", gate(Outcome.INCONCLUSIVE), NOW)
    ledger.record("shop", "version 2", "run-1", gate(Outcome.INCONCLUSIVE), NOW)  # the answer was lost, say
    ledger.record("shop", "version 2", "run-1", gate(Outcome.PASSED), NOW + timedelta(minutes=5))

    assert [row.outcome for row in entries(ledger, "shop")] == ["inconclusive", "passed"]
    assert verify(ledger).findings == ()


def test_a_decision_that_is_not_written_leaves_no_entry(ledger: Ledger) -> None:
    with pytest.raises(DBAPIError):
        ledger.record("shop", "x" * 300, "run-1", gate(), NOW)

    assert list(entries(ledger, "shop")) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = 'eve'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_the_database_refuses_to_change_an_entry(ledger: Ledger, statement: str) -> None:
    decide(ledger, 1)

    with pytest.raises(DBAPIError, match="append-only"), ledger.engine.begin() as connection:
        connection.execute(text(statement))

    assert verify(ledger).entries == 2


@pytest.mark.parametrize(
    ("statements", "finding"),
    [
        (["UPDATE audit_entry SET actor = 'eve' WHERE position = 3"], "entry 3 .* was altered after it was written"),
        (["UPDATE audit_entry SET sentence = 'x' WHERE position = 6"], "entry 6 .* was altered"),
        (["DELETE FROM audit_entry WHERE position = 3"], r"entry 3 is missing before entry 4 .*: deleted"),
        (["DELETE FROM audit_entry WHERE position < 4"], r"entries 1 to 3 are missing before entry 4"),
        (["DELETE FROM audit_entry WHERE position > 4"], r"row \d+ of the table verdict \(shop\) has no entry"),
        (
            [
                "DELETE FROM audit_entry WHERE position = 3",
                "UPDATE audit_entry SET position = position - 1 WHERE position > 3",
            ],
            "entry 3 .* does not follow on entry 2",
        ),
        (
            [
                "UPDATE audit_entry SET position = 99 WHERE position = 3",
                "UPDATE audit_entry SET position = 3 WHERE position = 4",
                "UPDATE audit_entry SET position = 4 WHERE position = 99",
            ],
            "entry 3 .* does not follow on entry 2",
        ),
        (
            [
                "UPDATE audit_entry SET position = 7 WHERE position = 6",
                "INSERT INTO audit_entry SELECT 6, pipeline, kind, subject, 'refused', sentence, actor, run_id, at, "
                "source, source_id, record, md5(hash) || md5(hash), hash FROM audit_entry WHERE position = 5",
            ],
            "entry 6 .* does not follow on entry 5",
        ),
        (["UPDATE verdict SET outcome = 'refused' WHERE subject = 'version 3'"], "is not what entry 5 records"),
        (["DELETE FROM verdict WHERE subject = 'version 3'"], "which entry 5 records, was deleted"),
        (
            ["UPDATE audit_entry SET hash = md5('') || md5('') WHERE position = 3"],
            "entry 4 .* does not follow on entry 3",
        ),
        (["DELETE FROM audit_entry"], "the log is empty"),
    ],
)
def test_whatever_is_changed_is_named(ledger: Ledger, statements: list[str], finding: str) -> None:
    decide(ledger)
    assert verify(ledger).findings == ()

    tamper(ledger, *statements)

    found = verify(ledger).findings
    assert any(re.search(finding, sentence) for sentence in found), found


def test_a_log_that_is_cut_off_with_its_records_is_seen_by_a_head_that_was_noted(ledger: Ledger) -> None:
    decide(ledger)
    noted = verify(ledger).head
    decide(ledger, 7)
    assert verify(ledger, noted).findings == ()
    assert verify(ledger, noted[:12]).findings == ()

    tamper(ledger, "DELETE FROM audit_entry WHERE position > 4", "DELETE FROM verdict WHERE id > 3")

    assert verify(ledger).findings == ()  # nothing is left that could tell
    [finding] = verify(ledger, noted).findings
    assert "was cut off before that entry" in finding


def test_writers_at_once_make_one_chain(ledger: Ledger) -> None:
    start = threading.Barrier(8)

    def write(writer: int) -> None:
        start.wait()
        for n in range(5):
            ledger.record(f"shop-{writer}", f"version {n}", "run", gate(), NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    verified = verify(ledger)
    assert (verified.entries, verified.findings) == (41, ())


def test_a_renamed_pipeline_brings_its_entries_along(ledger: Ledger) -> None:
    decide(ledger, 2)
    ledger.record("other", "version 1", "run", gate(), NOW)

    rename_rows(ledger, "shop", "store")
    ledger.record("store", "version 9", "run", gate(), NOW)
    ledger.record("shop", "version 1", "run", gate(), NOW)  # another pipeline that takes the name that is free now

    assert [row.subject for row in entries(ledger, "store")] == ["version 0", "version 1", "store", "version 9"]
    assert verify(ledger).findings == ()


def test_models_that_are_deleted_on_purpose_are_no_finding(ledger: Ledger) -> None:
    Models(ledger).promote("shop", "1", "", "ada", "run-1", NOW)
    Models(ledger).promote("shop", "2", "", "ada", "run-2", NOW)

    Models(ledger).forget("shop")

    assert [row.outcome for row in entries(ledger, "shop")] == ["promoted", "promoted", "deleted", "deleted"]
    assert verify(ledger).findings == ()


def test_entries_since_a_day(ledger: Ledger) -> None:
    decide(ledger, 30)

    found = list(entries(ledger, "shop", NOW + timedelta(hours=28)))

    assert [row.subject for row in found] == ["version 28", "version 29"]


def test_a_verdict_of_odd_values_is_what_was_recorded(ledger: Ledger) -> None:
    odd = {"nan": float("nan"), "one": 1.0, "tiny": 5e-324, "big": 2**60, "text": "ä\u2028\ud7ff", "list": (1, None)}
    ledger.record("shop", "version 1", "run", Verdict(Kind.GATE, Outcome.PASSED, "Ω & <b>", odd, {3: "x"}), NOW)

    assert verify(ledger).findings == ()


def test_an_sqlite_ledger_has_the_log_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/ledger.db"
    migrate(url)
    ledger = Ledger(url)
    decide(ledger, 3)

    assert verify(ledger).findings == ()
    assert next(iter(entries(ledger))).kind == Act.CHAIN
    for statement in ("UPDATE audit_entry SET actor = 'eve'", "DELETE FROM audit_entry"):
        with pytest.raises(DBAPIError, match="append-only"), ledger.engine.begin() as connection:
            connection.execute(text(statement))
    ledger.engine.dispose()
