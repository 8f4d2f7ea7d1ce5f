"""A project with one pipeline, a ledger, and channels on loopback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import event

from tests.pipelines import PIPELINE_FILE
from tests.tidewheel.alerts.receivers import Mailbox, Webhooks, serving
from tidewheel.alerts import conditions
from tidewheel.alerts.round import Rounds
from tidewheel.ledger import Ledger
from tidewheel.ledger.alert_tables import TaskFailureRow
from tidewheel.ledger.alerts import AlertLog
from tidewheel.ledger.tables import Table
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.settings import Settings

NIGHT = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
TEAM = "{team: {url_variable: SHOP_HOOK}}"


class Shop:
    """The pipeline `orders` and what happens to it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home", project=folder, airflow_url="http://airflow.example")
        self.settings.home.mkdir(exist_ok=True)
        (folder / "dags").mkdir()
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.db", patience_seconds=0)
        event.listen(self.ledger.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        Table.metadata.create_all(self.ledger.engine)
        self.log = AlertLog(self.ledger)
        self.rounds = Rounds(self.settings, self.ledger)

    def declare(self, alerts: str = f"channels: {TEAM}", name: str = "orders", more: str = "") -> None:
        """Write the pipeline's file, with a section `alerts`."""
        text = PIPELINE_FILE.replace("name: orders", f"name: {name}")
        (self.settings.pipelines_folder / f"{name}.yaml").write_text(f"{text}{more}alerts:\n  {alerts}\n")

    def drift(self, outcome: Outcome, day: str = "2026-11-21", words: str = "1 of 2 columns drifted") -> None:
        """Have a night judge a day's drift."""
        verdict = Verdict(Kind.DRIFT, outcome, f"{outcome.words}: {words}")
        self.ledger.record("orders", day, "run", verdict, NIGHT)

    def failures(self, tasks: Iterable[str]) -> None:
        """Have tasks of the night fail."""
        with self.ledger.session() as session:
            session.add_all(
                TaskFailureRow(
                    pipeline="orders",
                    purpose="features",
                    task_id=task,
                    run_id="run",
                    error="refused",
                    failed_at=NIGHT,
                )
                for task in tasks
            )

    def play(self, now: datetime) -> None:
        """Play a round, and wait until what it sends has been sent."""
        self.rounds.play(now)
        assert self.rounds.delivery.wait(20)


class Usage(NamedTuple):
    """Of a disk, in bytes."""

    total: int
    free: int


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A pipeline on a machine whose disk is half empty."""
    monkeypatch.setattr(conditions, "disk_usage", lambda _: Usage(100, 50))
    made = Shop(tmp_path)
    yield made
    made.ledger.engine.dispose()


@pytest.fixture
def webhooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhooks]:
    """A receiver of webhooks, whose URL is in SHOP_HOOK."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Webhooks()) as server:
        monkeypatch.setenv("SHOP_HOOK", server.url)
        yield server


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A receiver of e-mail, whose URL is in SHOP_MAIL."""
    with serving(Mailbox()) as server:
        monkeypatch.setenv("SHOP_MAIL", server.url)
        yield server
