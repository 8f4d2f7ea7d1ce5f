"""A message has the chart of its figure where the channel takes one, and goes out without it where that fails."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import date, timedelta
from email.message import EmailMessage

import pytest

from tests.tidewheel.alerts.conftest import NIGHT, Shop
from tests.tidewheel.alerts.receivers import Mailbox, Webhooks
from tidewheel.alerts import charts
from tidewheel.alerts.channels import takes_chart
from tidewheel.alerts.messages import harmless

BOTH = "channels: {team: {url_variable: SHOP_HOOK}, mail: {url_variable: SHOP_MAIL}}"
WHEN = "roc_auc < 0.62 for 3 days"
RULE = f"\n  rules: [{WHEN}]"


def measured(shop: Shop, values: Iterable[float]) -> None:
    """Have the newest days measured, the last on 2026-11-20."""
    for ago, value in enumerate(reversed(list(values))):
        day = str(date(2026, 11, 20) - timedelta(days=ago))
        shop.ledger.put_figures("orders", day, {"roc_auc": value, "rows": 900}, NIGHT, version="3")


def pictures(mail: EmailMessage) -> list[bytes]:
    return [part.get_content() for part in mail.iter_attachments() if part.get_content_type() == "image/png"]


def test_an_e_mail_has_the_figure_with_its_threshold_and_a_webhook_stays_data(
    shop: Shop, mailbox: Mailbox, webhooks: Webhooks
) -> None:
    shop.declare(BOTH + RULE)
    measured(shop, [0.71, 0.72, 0.70, 0.69, 0.70, 0.66, 0.61, 0.60, 0.58])
    shop.play(NIGHT)
    [mail] = mailbox.mails
    [png] = pictures(mail)
    assert mail["Subject"] == f"[warning] orders: threshold ({harmless(WHEN)})"
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (770, 308)
    assert len(png) < charts.LARGEST
    [body] = webhooks.bodies
    assert not body["attachments"]


@pytest.mark.parametrize("fault", ["slow", "away", "broken"])
def test_a_chart_that_cannot_be_made_costs_the_message_nothing(
    shop: Shop, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    shop.declare("channels: {mail: {url_variable: SHOP_MAIL}}" + RULE)
    measured(shop, [0.61, 0.60, 0.58])
    match fault:
        case "slow":
            monkeypatch.setattr(charts, "DRAW_SECONDS", 0.01)
        case "away":
            monkeypatch.setattr("sys.executable", "/no/such/python")
        case _:
            monkeypatch.setattr(charts, "figure_series", lambda *_: 1 / 0)
    shop.play(NIGHT)
    [mail] = mailbox.mails
    assert "roc_auc was 0.58 on 2026-11-20" in mail.get_content()
    assert "the message has no chart" in caplog.text


def test_what_is_about_no_figure_has_no_chart(shop: Shop, mailbox: Mailbox) -> None:
    shop.declare("channels: {mail: {url_variable: SHOP_MAIL}}")
    shop.failures(["land"])
    shop.play(NIGHT)
    assert mailbox.mails[0].get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("url", "takes"),
    [
        ("mailto://a:b@example.org", True),
        ("discord://1234567890/abcdefghijk", True),
        ("tgram://123456789:abcdefg_hijklmnop/1234/", True),
        ("jsons://hooks.example/1", False),
        ("https://hooks.example/1", False),
    ],
)
def test_a_chart_is_for_channels_that_a_person_reads(url: str, takes: bool) -> None:
    assert takes_chart(url, "environment variable SHOP_HOOK") is takes
