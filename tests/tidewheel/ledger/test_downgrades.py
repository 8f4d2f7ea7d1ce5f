"""Migrations on a ledger with rows in it, up and down; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, text

from tests.ledger_forms import migrations
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.audit import entries
from tidewheel.ledger.verification import verify

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
VERDICT = (
    "INSERT INTO verdict (pipeline, kind, subject, run_id, outcome, sentence, inputs, thresholds, decided_at) "
    """VALUES ('shop', 'gate', 'version 3', :run, 'passed', 'it passed', '{"loss": 0.49}', '{"margin": 0.002}', :at)"""
)
RELEASE = (
    "INSERT INTO release (pipeline, version, colour, plan, status, reason, run_id, started_at, ended_at) "
    """VALUES ('shop', '3', 'green', '{"sentence": "all stages"}', :status, 'it is done', :run, :at, :at)"""
)
PROMOTION = (
    "INSERT INTO promotion (pipeline, version, reason, actor, run_id, promoted_at) "
    "VALUES ('shop', '3', '', 'ada', 'run-1', :at)"
)
REQUEST = "INSERT INTO retrain_request (pipeline, reason, asked_at) VALUES ('shop', 'it drifts', :at)"
TRAFFIC = (
    "INSERT INTO traffic (pipeline, colour, version, seconds, start, requests, errors, refused, times) "
    "VALUES ('shop', 'green', '3', 60, :at, 9, 0, 0, '[]')"
)
FAILURE = (
    "INSERT INTO task_failure (pipeline, purpose, task_id, run_id, error, failed_at) "
    "VALUES ('shop', 'features', 'land', 'run-1', 'no file', :at)"
)


@pytest.fixture(params=["postgresql", "sqlite"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    return str(request.getfixturevalue("empty_database_url"))


def execute(url: str, *work: tuple[str, dict[str, object]]) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement, values in work:
            connection.execute(text(statement), {"at": NOW.isoformat(sep=" "), **values})
    engine.dispose()


def ask(url: str, question: Callable[[Connection], object]) -> object:
    engine = create_engine(url)
    with engine.begin() as connection:
        answer = question(connection)
    engine.dispose()
    return answer


def test_what_was_decided_before_begins_the_chain(empty_url: str) -> None:
    command.upgrade(migrations(empty_url), "0006")
    for n in range(3):
        at = (NOW + timedelta(hours=n)).isoformat(sep=" ")
        execute(empty_url, (VERDICT, {"run": f"run-{n}", "at": at}))
    execute(empty_url, (RELEASE, {"status": "done", "run": "run-1"}), (PROMOTION, {}))

    migrate(empty_url)

    ledger = Ledger(empty_url)
    found = [(row.kind, row.run_id, row.actor) for row in entries(ledger, "shop")]
    assert found == [
        ("promotion", "run-1", "ada"),
        ("release", "run-1", ""),
        ("gate", "run-0", ""),
        ("gate", "run-1", ""),
        ("gate", "run-2", ""),
    ]
    *_, begun = entries(ledger)
    assert "5 records from before it are taken in as they stood then" in begun.sentence
    assert verify(ledger).findings == ()
    ledger.engine.dispose()


def test_an_earlier_form_keeps_its_rows_down_and_up_again(empty_url: str) -> None:
    command.upgrade(migrations(empty_url), "0006")
    rows = [(VERDICT, {"run": "run-1"}), (RELEASE, {"status": "done", "run": "run-1"}), (REQUEST, {})]
    execute(empty_url, *rows, (PROMOTION, {}), (TRAFFIC, {}), (FAILURE, {}))

    for form in ("0005", "0004", "0003", "0002", "0001"):
        command.downgrade(migrations(empty_url), form)
    migrate(empty_url)

    for table, count in (("verdict", 1), ("release", 1), ("retrain_request", 1), ("promotion", 0), ("traffic", 0)):
        assert ask(empty_url, lambda c, t=table: c.scalar(text(f"select count(*) from {t}"))) == count  # type: ignore[misc]
    ledger = Ledger(empty_url)
    assert verify(ledger).findings == ()
    ledger.engine.dispose()
    command.upgrade(migrations(empty_url), "head")


def test_the_audit_log_is_not_dropped_by_a_downgrade(empty_url: str) -> None:
    migrate(empty_url)

    with pytest.raises(LedgerError, match=r"0007 cannot be taken back: its audit log.* restore the backup"):
        command.downgrade(migrations(empty_url), "0006")

    ledger = Ledger(empty_url)
    assert verify(ledger).entries == 1
    ledger.engine.dispose()


def test_a_ledger_of_a_newer_version_is_named(empty_url: str) -> None:
    migrate(empty_url)
    execute(empty_url, ("UPDATE ledger_version SET version_num = '9999'", {}))

    with pytest.raises(LedgerError, match=r"9999.* a newer version has changed them; install that version again"):
        migrate(empty_url)
