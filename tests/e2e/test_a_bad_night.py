"""From a bad night to the message: at a mailbox and a webhook within two minutes, and when the night is good again.

`pytest -s -m e2e tests/e2e/test_a_bad_night.py` prints the messages as they arrive, and how long they took.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from tests.conftest import wait_until
from tests.e2e.shop import Files, Shop
from tests.installation import Installation
from tests.tidewheel.alerts.receivers import Mailbox, Webhooks, serving
from tidewheel.ledger import Ledger
from tidewheel.ledger.alerts import AlertLog

pytestmark = [pytest.mark.timeout(1200), pytest.mark.e2e, pytest.mark.platform, pytest.mark.spark, pytest.mark.slow]

NAME = "noisy"
EVENT = f"{NAME}: night failed (features validate_raw)"
MINUTES_TO_FIRST_NIGHT = 720
"""Its schedule must not come into the test."""
FIRST = date(2026, 6, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(12)]
BAD = DAYS[1]
LIMIT = timedelta(minutes=2)
SECONDS_TO_WAIT = 400


@dataclass(frozen=True)
class Receivers:
    """Who gets messages."""

    webhooks: Webhooks
    mailbox: Mailbox

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What the webhook has got about the night; late days and the machine's disk are incidents of their own."""
        return [body for body in self.webhooks.bodies if EVENT in body["title"]]

    @property
    def mails(self) -> list[EmailMessage]:
        """What the mailbox has got about the night."""
        return [mail for mail in self.mailbox.mails if EVENT in mail["Subject"]]

    def wait_for(self, count: int, what: str) -> datetime:
        """Wait until each has so many messages; returns when."""

        def arrived() -> bool:
            return len(self.bodies) >= count and len(self.mails) >= count

        wait_until(arrived, what, SECONDS_TO_WAIT)
        return datetime.now(UTC)

    def show(self) -> None:
        """Print the newest message of each."""
        mail = self.mails[-1]
        print(f"\nSubject: {mail['Subject']}\n\n{mail.get_content()}\n{self.bodies[-1]}")  # noqa: T201


@pytest.fixture(scope="module")
def receivers(installation: Installation) -> Iterator[Receivers]:
    """A mailbox and a receiver of webhooks, whose URLs are Airflow Variables."""
    settings = installation.settings
    login = {"username": "admin", "password": settings.require("airflow_password")}
    token = httpx.post(f"{settings.airflow_url}/auth/token", json=login).raise_for_status().json()["access_token"]
    with ExitStack() as stack:
        found = Receivers(stack.enter_context(serving(Webhooks())), stack.enter_context(serving(Mailbox())))
        for key, url in (("noisy_hook", found.webhooks.url), ("noisy_mail", found.mailbox.url)):
            httpx.post(
                f"{settings.airflow_url}/api/v2/variables",
                headers={"authorization": f"Bearer {token}"},
                json={"key": key, "value": url},
            ).raise_for_status()
        yield found


@pytest.fixture(scope="module")
def files(installation: Installation, receivers: Receivers, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A pipeline that reads files, has its first day, and sends its alerts to both."""
    shop = Shop(installation, NAME, MINUTES_TO_FIRST_NIGHT)
    files = Files(shop, tmp_path_factory.mktemp(NAME), DAYS)
    with shop.declaration() as declared:
        declared["alerts"] = {
            "channels": {"hook": {"airflow_variable": "noisy_hook"}, "mail": {"airflow_variable": "noisy_mail"}}
        }
    shop.run("features", "history", first=str(DAYS[0]), last=str(DAYS[0]))
    return files


def test_a_bad_night_is_a_message_within_two_minutes_and_so_is_its_end(files: Files, receivers: Receivers) -> None:
    shop, installation = files.shop, files.shop.installation
    failures = AlertLog(Ledger.open(installation.settings))
    orders = shop.reader.orders(BAD)
    orders.loc[orders.index % 3 == 0, "amount"] = None
    orders.to_parquet(files.orders(str(BAD)))

    began = datetime.now(UTC)
    shop.night("bad_night", str(BAD))
    arrived = receivers.wait_for(1, "the bad night has been reported")
    [failure] = [row for row in failures.failures() if row.pipeline == NAME]
    receivers.show()
    print(f"failed after {failure.failed_at - began}, reported {arrived - failure.failed_at} later")  # noqa: T201
    assert arrived - failure.failed_at < LIMIT
    mail, body = receivers.mails[0], receivers.bodies[0]
    assert mail["Subject"] == body["title"] == f"[warning] {EVENT}"
    assert "amount" in body["message"]
    assert f"{installation.settings.airflow_url}/dags/{NAME}.features" in body["message"]
    assert body["message"] in mail.get_content().replace("\r\n", "\n")

    shop.reader.orders(BAD).to_parquet(files.orders(str(BAD)))
    installation.api.clear(f"{NAME}.features", "bad_night", ["land"])
    resolved = receivers.wait_for(2, "the end has been reported")
    receivers.show()
    tasks = {task.task_id: task.state for task in installation.api.tasks(f"{NAME}.features", "bad_night")}
    print(f"resolved at {resolved:%H:%M:%S}, tasks: {tasks}")  # noqa: T201
    assert tasks["validate_raw"] == "success"
    assert receivers.bodies[1]["title"] == f"[resolved] {EVENT}"
    assert all(row.pipeline != NAME for row in failures.failures())
