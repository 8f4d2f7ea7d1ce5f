"""The alerts service: its process, a ledger that is away, and a second service over the same ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidewheel
from tests.conftest import PostgresServer, wait_until
from tests.tidewheel.alerts.conftest import NIGHT, Shop
from tests.tidewheel.alerts.receivers import Webhooks
from tidewheel.alerts.ledger_outage import PATIENCE_SECONDS, LedgerOutage
from tidewheel.alerts.round import Rounds
from tidewheel.alerts.service import play
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.alerts import AlertLog
from tidewheel.ledger.locks import LedgerLock

AWAY = "postgresql+psycopg2://tidewheel:secret@127.0.0.1:1/ledger"


@pytest.fixture
def postgres(shop: Shop, restarted_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that holds the ledger of `shop`."""
    yield restarted_postgres
    with Ledger(restarted_postgres.url("postgres")).session() as session:
        session.connection().exec_driver_sql("TRUNCATE alert_message, alert_incident, task_failure")


def test_the_process_sends_what_the_ledger_says_and_ends_when_asked(
    shop: Shop, webhooks: Webhooks, database_url: str
) -> None:
    shop.declare()
    log = AlertLog(Ledger(database_url))
    log.task_failed("orders", "features", "land", "run", "the source does not answer", NIGHT)
    env = {
        **os.environ,
        "TIDEWHEEL_HOME": str(shop.settings.home),
        "TIDEWHEEL_PROJECT": str(shop.settings.project),
        "TIDEWHEEL_DATABASE_URL": database_url,
        "PYTHONPATH": str(Path(tidewheel.__file__).parents[1]),
    }
    service = subprocess.Popen(
        [sys.executable, "-m", "tidewheel.alerts.service"], env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: any("night failed" in body["title"] for body in webhooks.bodies), "a message", 60)
    finally:
        service.send_signal(signal.SIGTERM)
        said = service.communicate(timeout=30)[1]
    assert service.returncode == 0
    assert "opened: [warning] orders: night failed (features land)" in said
    assert "4711" not in said


def test_a_restart_of_the_ledger_loses_nothing(
    shop: Shop, webhooks: Webhooks, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    shop.declare()
    ledger = Ledger(postgres.url("postgres"), patience_seconds=0)
    rounds, right, outage = (
        Rounds(shop.settings, ledger),
        LedgerLock(ledger.engine, "alerts", 0),
        LedgerOutage(shop.settings),
    )
    held = play(rounds, right, outage, held=False)
    assert held
    AlertLog(ledger).task_failed("orders", "features", "land", "run", "the source does not answer", NIGHT)
    postgres.stop()
    for _ in range(3):
        held = play(rounds, right, outage, held=held)
    assert len([text for text in caplog.messages if "accepting TCP/IP connections" in text]) == 1
    postgres.start()

    def sent() -> int:
        """How often it was sent; other tests of this server have left incidents of their own."""
        titles = [body["title"] for body in webhooks.bodies]
        return titles.count("[warning] orders: night failed (features land)")

    wait_until(lambda: play(rounds, right, outage, held=held) and bool(sent()), "the message", 30)
    assert rounds.delivery.wait(10)
    assert sent() == 1
    right.end()
    ledger.engine.dispose()


def test_of_two_services_one_stands_by(shop: Shop, webhooks: Webhooks, database_url: str) -> None:
    shop.declare()
    first, second = (Ledger(database_url, patience_seconds=0) for _ in range(2))
    AlertLog(first).task_failed("orders", "features", "land", "run", "the source does not answer", NIGHT)
    rights = [LedgerLock(ledger.engine, "alerts", 0) for ledger in (first, second)]
    outage = LedgerOutage(shop.settings)
    services = [Rounds(shop.settings, ledger) for ledger in (first, second)]
    assert [play(rounds, right, outage, held=False) for rounds, right in zip(services, rights, strict=True)] == [
        True,
        False,
    ]
    assert services[0].delivery.wait(10)
    rights[0].end()
    assert play(services[1], rights[1], outage, held=False)
    assert services[1].delivery.wait(10)
    assert len(webhooks.bodies) == 1
    rights[1].end()
    for ledger in (first, second):
        ledger.engine.dispose()


def test_a_ledger_that_stays_away_is_sent_once_and_so_is_its_return(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    outage = LedgerOutage(shop.settings)
    with pytest.raises(LedgerError) as away:
        Rounds(shop.settings, Ledger(AWAY, patience_seconds=0)).play(NIGHT)
    for seconds in (0, PATIENCE_SECONDS - 1):
        outage.lasts(away.value, seconds)
    assert webhooks.bodies == []
    for seconds in (PATIENCE_SECONDS, PATIENCE_SECONDS + 20):
        outage.lasts(away.value, seconds)
    outage.ended()
    outage.ended()
    assert [body["title"] for body in webhooks.bodies] == [
        "[critical] the platform: the ledger does not answer",
        "[resolved] the platform: the ledger answers again",
    ]
    assert "secret" not in webhooks.bodies[0]["message"]


def test_a_pipeline_whose_rules_fail_leaves_the_others_theirs(
    shop: Shop, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tidewheel.alerts import round as module

    shop.declare()
    shop.declare(name="mails")
    for name in ("mails", "orders"):
        shop.log.task_failed(name, "features", "land", "run", "refused", NIGHT)
    read = module.read_facts

    def fails_for_mails(ledger: Ledger, pipeline: object, failures: object) -> object:
        if pipeline.name == "mails":  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return read(ledger, pipeline, failures)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_facts", fails_for_mails)
    shop.play(NIGHT)
    assert [body["title"] for body in webhooks.bodies] == ["[warning] orders: night failed (features land)"]
    assert "the rules of mails could not be evaluated" in caplog.text
