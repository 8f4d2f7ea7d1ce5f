"""Incidents whose cause can no longer be removed end by themselves, and a message that was sent is not sent again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import wait_until
from tests.tidewheel.alerts.conftest import NIGHT, Shop
from tests.tidewheel.alerts.receivers import Webhooks
from tidewheel.alerts import ledger_outage
from tidewheel.alerts.gone import ASKED_EVERY, GoneTasks
from tidewheel.alerts.ledger_outage import PATIENCE_SECONDS, LedgerOutage
from tidewheel.alerts.round import Rounds
from tidewheel.ledger.alerts import AlertLog
from tidewheel.ledger.outage import LedgerAway

MINUTE = timedelta(minutes=1)


def rounds_of(shop: Shop, ask: Callable[[str], set[str] | None]) -> None:
    shop.rounds = Rounds(shop.settings, shop.ledger, GoneTasks(ask))


def test_a_task_that_its_dag_no_longer_has_cannot_fail_for_ever(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    tasks = {"land", "validate"}
    rounds_of(shop, lambda dag: tasks if dag == "orders.features" else None)
    shop.failures(["land", "validate"])
    shop.play(NIGHT)
    assert len(webhooks.bodies) == 2

    tasks.remove("validate")
    shop.play(NIGHT + ASKED_EVERY)

    ended = webhooks.bodies[-1]
    assert ended["title"] == "[resolved] orders: night failed (features validate)"
    assert ended["message"].startswith(
        "orders.features has no task validate any more, so it cannot succeed again; nothing is to be done. It lasted"
    )
    assert [row.subject for row in shop.log.open_incidents()] == ["features land"]
    tasks.add("validate")
    shop.play(NIGHT + 3 * ASKED_EVERY)
    assert len(webhooks.bodies) == 3


def test_a_dag_that_airflow_does_not_have_at_present_has_lost_no_task(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    asked: list[str] = []
    rounds_of(shop, lambda dag: asked.append(dag))  # type: ignore[func-returns-value]
    shop.failures(["land"])
    for minutes in range(12):
        shop.play(NIGHT + minutes * MINUTE)

    assert [row.subject for row in shop.log.open_incidents()] == ["features land"]
    assert asked == ["orders.features", "orders.features"]  # every ten minutes


def test_without_a_failure_airflow_is_not_asked(shop: Shop) -> None:
    shop.declare()
    rounds_of(shop, lambda dag: pytest.fail("nobody needs to know"))
    shop.play(NIGHT)


def test_incidents_of_a_pipeline_without_a_file_end_with_a_reason(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    shop.declare(name="mails")
    shop.failures(["land"])
    shop.play(NIGHT)
    (shop.settings.pipelines_folder / "orders.yaml").unlink()

    shop.play(NIGHT + MINUTE)

    assert shop.log.open_incidents() == []
    assert "orders is no longer declared in dags/" in webhooks.bodies[-1]["message"]


def test_what_was_sent_while_the_ledger_went_away_is_not_sent_again(
    shop: Shop, webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.declare()
    shop.failures(["land"])
    note = AlertLog.sent

    def away(*_: object) -> None:
        raise LedgerAway("the ledger is away")

    monkeypatch.setattr(AlertLog, "sent", away)
    shop.play(datetime.now(UTC))
    assert len(webhooks.bodies) == 1
    with pytest.raises(LedgerAway):
        shop.play(datetime.now(UTC))

    monkeypatch.setattr(AlertLog, "sent", note)
    for _ in range(2):
        shop.play(datetime.now(UTC))

    assert len(webhooks.bodies) == 1
    assert shop.log.waiting() == {}


def test_a_slow_channel_hears_of_an_outage_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.declare()
    answers, titles = threading.Event(), list[str]()

    def slow(url: str, address: str, title: str, *_: str) -> str:
        titles.append(title)
        answers.wait(30)
        return ""

    monkeypatch.setenv("SHOP_HOOK", "https://hooks.example")
    monkeypatch.setattr(ledger_outage, "send", slow)
    monkeypatch.setattr(ledger_outage, "JOIN_SECONDS", 0.1)
    outage = LedgerOutage(shop.settings)
    for seconds in (0, PATIENCE_SECONDS, PATIENCE_SECONDS + 20, PATIENCE_SECONDS + 40):
        outage.lasts(LedgerAway("it is away"), seconds)
    outage.ended()
    assert titles == ["[critical] the platform: the ledger does not answer"]

    answers.set()
    wait_until(lambda: outage.ended() or len(titles) == 2, "the return is sent")  # type: ignore[func-returns-value]
    outage.ended()
    assert titles[1:] == ["[resolved] the platform: the ledger answers again"]
