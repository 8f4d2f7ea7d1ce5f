"""A ledger between two versions of the code: what reads and writes it says so, and nothing in it is damaged."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from sqlalchemy import create_engine, text

from infra.prometheus.exporter import registry
from tests.conftest import wait_until
from tests.ledger_forms import SAID, older
from tests.pipelines import PIPELINE_FILE
from tests.tidewheel.alerts.receivers import Webhooks, serving
from tidewheel.alerts.ledger_outage import PATIENCE_SECONDS, LedgerOutage
from tidewheel.alerts.round import Rounds
from tidewheel.alerts.service import play
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger, is_current, migrate
from tidewheel.ledger.locks import LedgerLock
from tidewheel.ledger.verification import verify
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.settings import Settings

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
VERDICT = Verdict(Kind.DRIFT, Outcome.NO_ACTION, "no action: 0 of 9 columns drifted")
FIRST = (
    "INSERT INTO verdict (pipeline, kind, subject, run_id, outcome, sentence, inputs, thresholds, decided_at) "
    "VALUES ('orders', 'drift', '2026-11-20', 'run', 'fired', 'fired: 3 of 9 columns', '{}', '{}', :at)"
)
Contents = dict[str, tuple[list[str], list[str]]]
JOB = """\
from datetime import UTC, datetime
from typing import ClassVar
from jobs.job import Job, Result, run
from tidewheel.ledger import Ledger
from tidewheel.options import JobOptions
from tidewheel.ledger.verification import verify
from tidewheel.policies.verdict import Kind, Outcome, Verdict

class Options(JobOptions):
    job: ClassVar[str] = "judge"

def work(job: Job[Options]) -> Result:
    "Judges a day."
    verdict = Verdict(Kind.DRIFT, Outcome.NO_ACTION, "no drift")
    Ledger.open(job.settings).record(job.pipeline.name, "2026-11-21", job.run_id, verdict, datetime.now(UTC))
    return Result()

run(work, Options)
"""


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str) -> Settings:
    """An installation of one pipeline with a channel."""
    (tmp_path / "dags").mkdir()
    text = f"{PIPELINE_FILE}alerts:\n  channels: {{team: {{url_variable: SHOP_HOOK}}}}\n"
    (tmp_path / "dags" / "orders.yaml").write_text(text)
    (tmp_path / "home").mkdir()
    return Settings(home=tmp_path / "home", project=tmp_path, database_url=empty_database_url)


@pytest.fixture(params=SAID)
def form(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Callable[..., None]]:
    """A ledger of another version, which the settings name."""
    request.param(empty_database_url)
    before = contents(empty_database_url)
    yield request.param
    assert contents(empty_database_url) == before, "what could not be used was not changed"


def contents(url: str) -> Contents:
    """Columns and rows by table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        tables = {name: connection.execute(text(f"SELECT * FROM {name}")) for name in list(names)}
        found = {name: (list(table.keys()), sorted(map(str, table))) for name, table in tables.items()}
    engine.dispose()
    return found


def test_a_job_fails_with_a_sentence(form: Callable[..., None], settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(JOB)
    asked = ["--pipeline", "orders", "--partition", "2026-11-21", "--run-id", "run"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "TIDEWHEEL_HOME": str(settings.home),
        "TIDEWHEEL_PROJECT": str(tmp_path),
        "TIDEWHEEL_DATABASE_URL": settings.require("database_url"),
    }
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "judge.py"), *asked],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == LedgerError.exit_code
    assert SAID[form] in ran.stderr
    assert "Traceback" not in ran.stderr
    assert time.monotonic() - began < 25, "it does not wait for tables that will not come by themselves"


def test_the_exporter_is_up_and_says_that_the_ledger_is_not(
    form: Callable[..., None], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert "tidewheel_ledger_up 0.0" in generate_latest(registry(settings)).decode()
    assert SAID[form] in caplog.text


def test_the_alerts_go_on_and_the_channel_learns_why_they_are_blind(
    form: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ledger, outage = Ledger.open(settings, patience_seconds=0), LedgerOutage(settings)
    rounds, right = Rounds(settings, ledger), LedgerLock(ledger.engine, "alerts", 0)
    with serving(Webhooks()) as webhooks, caplog.at_level(logging.WARNING):
        monkeypatch.setenv("SHOP_HOOK", webhooks.url)
        held = play(rounds, right, outage, held=False)
        monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + PATIENCE_SECONDS)
        play(rounds, right, outage, held=held)
    right.end()
    ledger.engine.dispose()
    [message] = webhooks.bodies
    assert message["title"] == "[critical] the platform: the ledger cannot be used"
    assert SAID[form] in message["message"]


def cut_migration(url: str) -> None:
    """Start a migration in a process, and kill it when it waits for a lock within one of its steps."""
    engine = create_engine(url)

    def others(condition: str) -> int:
        with engine.connect() as connection:
            mine = "datname = current_database() AND pid <> pg_backend_pid()"
            return int(connection.scalar(text(f"SELECT count(*) FROM pg_stat_activity WHERE {mine} AND {condition}")))

    with engine.connect() as other:
        other.execute(text("LOCK TABLE verdict IN ACCESS SHARE MODE"))  # a step that alters it must wait
        process = subprocess.Popen([sys.executable, "-c", f"from tidewheel.ledger import migrate; migrate({url!r})"])
        try:
            wait_until(lambda: others("wait_event_type = 'Lock'") == 1, "the migration waits within a step", 60)
        finally:
            process.kill()
            process.wait()
    wait_until(lambda: others("state <> 'idle'") == 0, "PostgreSQL has noticed that the migration is gone", 60)
    engine.dispose()


def test_a_migration_that_is_killed_half_way_changes_nothing_and_the_next_one_brings_everything(
    empty_database_url: str,
) -> None:
    older(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text(FIRST), {"at": NOW})
    engine.dispose()
    before = contents(empty_database_url)

    cut_migration(empty_database_url)

    assert contents(empty_database_url) == before
    assert not is_current(empty_database_url)
    migrate(empty_database_url)
    assert is_current(empty_database_url)
    ledger = Ledger(empty_database_url)
    ledger.record("orders", "2026-11-21", "run", VERDICT, NOW)
    assert [row.subject for row in ledger.verdicts("orders", Kind.DRIFT)] == ["2026-11-21", "2026-11-20"]
    assert verify(ledger).findings == ()
    ledger.engine.dispose()
