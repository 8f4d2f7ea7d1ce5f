"""From the ledger to the channel: once per incident, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.conftest import wait_until
from tests.tidewheel.alerts.conftest import NIGHT, TEAM, Shop
from tests.tidewheel.alerts.receivers import Mailbox, Webhooks
from tidewheel.ledger.alert_tables import IncidentRow, MessageRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict

MINUTE = timedelta(minutes=1)


def titles(webhooks: Webhooks) -> list[str]:
    return [body["title"] for body in webhooks.bodies]


def rows(shop: Shop, table: type[IncidentRow | MessageRow]) -> int:
    with shop.ledger.session() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_an_incident_is_sent_once_and_its_end_is_sent(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    shop.drift(Outcome.FIRED)
    for minutes in range(3):
        shop.play(NIGHT + minutes * MINUTE)
    (opened,) = webhooks.bodies
    assert opened["title"] == "[info] orders: drift"
    assert "Drift on 2026-11-21: 1 of 2 columns drifted." in opened["message"]
    assert "What to do: Open the drift report" in opened["message"]
    assert opened["message"].endswith("http://airflow.example/tidewheel/lake/orders/reports/2026-11-21/drift.html")
    assert shop.log.open_incidents("orders")[0].sentence.startswith("Drift on")

    shop.drift(Outcome.NO_ACTION, day="2026-11-22")
    for minutes in range(24 * 60, 24 * 60 + 2):
        shop.play(NIGHT + minutes * MINUTE)
    assert titles(webhooks)[1:] == ["[resolved] orders: drift"]
    assert "It lasted 1 day, from 2026-11-22 03:30 to 2026-11-23 03:30 UTC." in webhooks.bodies[1]["message"]
    assert webhooks.bodies[1]["type"] == "success"
    assert shop.log.open_incidents() == []


def test_an_editors_lock_in_the_folder_of_pipelines_silences_no_other(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    (shop.settings.pipelines_folder / ".#orders.yaml").symlink_to("me@here.1234")
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    assert titles(webhooks) == ["[info] orders: drift"]


def test_an_open_incident_is_sent_again_after_a_time(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare(f"remind_after_hours: 2\n  channels: {TEAM}")
    shop.drift(Outcome.FIRED)
    for hours in range(5):
        shop.play(NIGHT + timedelta(hours=hours))
    assert titles(webhooks) == [
        "[info] orders: drift",
        "[info, open for 2 hours] orders: drift",
        "[info, open for 4 hours] orders: drift",
    ]


def test_a_reminder_says_what_holds_by_now(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare(f"remind_after_hours: 2\n  channels: {TEAM}")
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    shop.drift(Outcome.FIRED, day="2026-11-22", words="2 of 2 columns drifted")
    shop.play(NIGHT + timedelta(hours=1))
    assert "2 of 2 columns drifted" in shop.log.open_incidents("orders")[0].sentence
    assert len(webhooks.bodies) == 1
    shop.play(NIGHT + timedelta(hours=2))
    assert "Drift on 2026-11-22: 2 of 2 columns drifted." in webhooks.bodies[1]["message"]


def test_what_has_long_ended_is_forgotten(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    shop.drift(Outcome.NO_ACTION, day="2026-11-22")
    shop.play(NIGHT + timedelta(days=1))
    shop.play(NIGHT + timedelta(days=60))
    assert (rows(shop, IncidentRow), rows(shop, MessageRow)) == (1, 2)
    shop.play(NIGHT + timedelta(days=120))
    assert (rows(shop, IncidentRow), rows(shop, MessageRow)) == (0, 0)


def test_a_channel_gets_what_is_severe_enough_and_events_may_be_ignored(shop: Shop, webhooks: Webhooks) -> None:
    pager = "{team: {url_variable: SHOP_HOOK, lowest_severity: critical}}"
    shop.declare(f"channels: {pager}")
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    assert len(shop.log.open_incidents()) == 1
    assert webhooks.bodies == []
    shop.declare(f"events: {{drift: ignore}}\n  channels: {pager}")
    shop.play(NIGHT + MINUTE)
    assert shop.log.open_incidents() == []


def test_quiet_hours_hold_back_all_but_critical_messages(shop: Shop, webhooks: Webhooks) -> None:
    quiet = 'quiet_hours: {start: "22:00", end: "07:00", time_zone: Europe/Berlin}'  # 03:30 UTC is 04:30 there
    shop.declare(f"{quiet}\n  channels: {TEAM}")
    shop.drift(Outcome.FIRED)
    shop.log.task_failed("orders", "release", "plan", "run", "no such version", NIGHT)
    shop.play(NIGHT)
    assert titles(webhooks) == ["[critical] orders: release failed (release plan)"]
    shop.play(datetime(2026, 11, 22, 5, 59, tzinfo=UTC))
    assert len(webhooks.bodies) == 1
    shop.play(datetime(2026, 11, 22, 6, 0, tzinfo=UTC))
    assert titles(webhooks)[1:] == ["[info] orders: drift"]


def test_what_begins_and_ends_within_quiet_hours_is_one_message(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare(f'quiet_hours: {{start: "00:00", end: "07:00"}}\n  channels: {TEAM}')
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    shop.drift(Outcome.NO_ACTION, day="2026-11-22")
    shop.play(NIGHT + timedelta(hours=1))
    assert webhooks.bodies == []
    shop.play(NIGHT + timedelta(hours=4))
    assert titles(webhooks) == ["[resolved] orders: drift"]
    assert "Drift on 2026-11-21" in webhooks.bodies[0]["message"]


def test_a_channel_that_is_down_loses_nothing_and_another_gets_its_message_at_once(
    shop: Shop, webhooks: Webhooks, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    shop.declare("channels: {team: {url_variable: SHOP_HOOK}, mail: {url_variable: SHOP_MAIL}}")
    shop.drift(Outcome.FIRED)
    webhooks.status = 503
    now = datetime.now(UTC)
    shop.play(now)
    assert len(mailbox.mails) == 1
    (refused,) = shop.log.due(now + timedelta(hours=1))["environment variable SHOP_HOOK"]
    assert (refused.attempts, "503" in refused.error) == (1, True)
    assert "SHOP_HOOK has not taken 1 message (attempt 1)" in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("tidewheel")]
    assert not any("4711" in text for text in (*ours, refused.error))

    webhooks.status = 204
    shop.play(now + timedelta(seconds=5))
    assert webhooks.bodies == []  # it waits before the next attempt
    shop.play(now + timedelta(minutes=5))
    shop.play(now + timedelta(minutes=6))
    assert titles(webhooks) == ["[info] orders: drift"]
    assert len(mailbox.mails) == 1


def test_a_slow_channel_holds_up_neither_the_rounds_nor_another_channel(
    shop: Shop, webhooks: Webhooks, mailbox: Mailbox
) -> None:
    shop.declare("channels: {team: {url_variable: SHOP_HOOK}, mail: {url_variable: SHOP_MAIL}}")
    shop.drift(Outcome.FIRED)
    webhooks.hold.clear()
    for minutes in range(3):
        shop.rounds.play(NIGHT + minutes * MINUTE)
    wait_until(lambda: len(mailbox.mails) == webhooks.waiting == 1, "one channel has its message, the other is slow")
    assert webhooks.bodies == []
    webhooks.hold.set()
    assert shop.rounds.delivery.wait(10)
    assert titles(webhooks) == ["[info] orders: drift"]


@pytest.mark.parametrize("url", ["", "no url", "ftp://127.0.0.1/token-4711", "http://127.0.0.1:1/token-4711"])
def test_a_wrong_url_is_named_by_its_variable_and_the_message_waits(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SHOP_HOOK", url)
    shop.declare()
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    ((address, (count, error)),) = shop.log.waiting().items()
    assert (address, count) == ("environment variable SHOP_HOOK", 1)
    assert error
    assert "4711" not in error


def test_a_thousand_alerts_in_a_night_are_one_message(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    shop.failures(f"task_{number}" for number in range(1_000))
    shop.play(NIGHT)
    shop.play(NIGHT + MINUTE)
    (body,) = webhooks.bodies
    assert body["title"] == "1,000 alerts: 1,000 warning"
    assert body["message"].count("orders: night failed") == 20
    assert "and 980 more: `tidewheel alerts list` shows what is open" in body["message"]


def test_alerts_that_trickle_in_are_held_back_once_a_channel_had_many(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    now = datetime.now(UTC)
    for number in range(15):
        shop.failures([f"task_{number}"])
        shop.play(now + timedelta(seconds=number))
    assert len(webhooks.bodies) == 10
    shop.log.task_failed("orders", "release", "plan", "run", "no such version", now)
    shop.play(now + timedelta(seconds=50))
    assert titles(webhooks)[10:] == ["6 alerts: 1 critical, 5 warning"]


def test_a_clock_that_was_ahead_holds_nothing_back(shop: Shop, webhooks: Webhooks) -> None:
    quiet = 'quiet_hours: {start: "22:00", end: "07:00"}'
    shop.declare(f"{quiet}\n  channels: {TEAM}")
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT + timedelta(days=365))
    assert webhooks.bodies == []
    shop.play(NIGHT + timedelta(hours=5))
    assert "[info] orders: drift" in titles(webhooks)
    assert len(shop.log.open_incidents("orders")) == 1


def test_a_jump_of_the_clock_ends_as_it_began_and_quiet_hours_are_those_of_the_clock(
    shop: Shop, webhooks: Webhooks
) -> None:
    quiet = 'quiet_hours: {start: "22:00", end: "07:00"}'
    shop.declare(f"{quiet}\n  channels: {TEAM}")
    passed = Verdict(Kind.VALIDATION, Outcome.PASSED, "passed")
    shop.ledger.record("orders", "raw/2026-11-21", "run", passed, NIGHT)
    noon = NIGHT.replace(hour=12)
    shop.play(noon)
    assert webhooks.bodies == []

    shop.play(noon + timedelta(days=30))
    shop.play(noon + timedelta(days=30, minutes=1))
    assert titles(webhooks) == ["[warning] orders: data late"]
    shop.play(noon + MINUTE)
    shop.play(noon + 2 * MINUTE)
    assert titles(webhooks)[1:] == ["[resolved] orders: data late"]
    assert "It lasted less than a minute" in webhooks.bodies[1]["message"]

    shop.drift(Outcome.FIRED)
    shop.play(NIGHT - timedelta(days=400))
    assert len(webhooks.bodies) == 2, "it is night by the clock"
    shop.play(noon + 3 * MINUTE)
    shop.play(noon + 4 * MINUTE)
    assert titles(webhooks)[2:] == ["[info] orders: drift"]
    assert [row.event for row in shop.log.open_incidents("orders")] == ["drift"]


def test_a_file_that_cannot_be_read_leaves_its_incidents_open(shop: Shop, webhooks: Webhooks) -> None:
    shop.declare()
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    file = shop.settings.pipelines_folder / "orders.yaml"
    good = file.read_text()
    file.write_text("name: [")
    shop.drift(Outcome.NO_ACTION, day="2026-11-22")
    shop.play(NIGHT + MINUTE)
    assert len(shop.log.open_incidents()) == 1
    file.write_text(good)
    shop.play(NIGHT + 2 * MINUTE)
    assert shop.log.open_incidents() == []


def test_pipelines_that_name_the_same_variable_share_the_channel(shop: Shop, webhooks: Webhooks) -> None:
    for name in ("orders", *(f"shop_{number}" for number in range(9))):
        shop.declare(name=name)
        shop.log.task_failed(name, "features", "land", "run", "the source does not answer", NIGHT)
    shop.play(NIGHT)
    assert titles(webhooks) == ["10 alerts: 10 warning"]


HOSTILE = (
    "<script>alert(1)</script> <!channel> @everyone\r\nBcc: all@example.org\n\n[pay](https://evil.example) \u202ex"
)


def test_a_hostile_value_is_plain_text_in_every_channel(shop: Shop, webhooks: Webhooks, mailbox: Mailbox) -> None:
    shop.declare("channels: {team: {url_variable: SHOP_HOOK}, mail: {url_variable: SHOP_MAIL}}")
    shop.drift(Outcome.FIRED, words=HOSTILE)
    shop.log.task_failed("orders", "features", HOSTILE.replace("/", ""), "run", "refused", NIGHT)
    shop.play(NIGHT)
    texts = [f"{body['title']}{body['message']}" for body in webhooks.bodies]
    for mail in mailbox.mails:
        assert mail["From"] == "tidewheel@example.org"
        assert mail["To"] == "shop@example.org"
        assert mail["Bcc"] is None
        assert mail.get_content_type() == "text/plain"
        texts.append(f"{mail['Subject']}{mail.get_content()}")
    assert len(texts) == 4
    for text in texts:
        assert "evil.example" in text or "alert(1)" in text  # it is there, and harmless:
        assert not any(part in text for part in ("<", "@everyone", "](", "https://", "\u202e"))


def test_no_message_is_written_without_a_channel_and_the_incident_is_kept(shop: Shop) -> None:
    shop.declare("channels: {}")
    shop.drift(Outcome.FIRED)
    shop.play(NIGHT)
    assert len(shop.log.open_incidents()) == 1
    with shop.ledger.session() as session:
        assert session.query(MessageRow).count() == 0
