"""The route file of Alertmanager, read by Alertmanager itself: as it lies there, and with every channel in use."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.prometheus.rules import rules
from tests.conftest import wait_until
from tests.free_ports import free_port
from tests.infra.prometheus.monitoring import PATIENCE, Program, installed_programs
from tests.tidewheel.alerts.receivers import Mailbox, Webhooks, serving

ROUTES = Path(__file__).parents[3] / "infra" / "prometheus" / "alertmanager.yaml"
URL_FILES_SINCE = (0, 26)
"""Version of Alertmanager whose webhooks can have their URL in a file. Debian 12 has an earlier one."""


@pytest.fixture(scope="module")
def amtool() -> str:
    """Path of Alertmanager's own tool."""
    if (path := shutil.which("amtool")) is None:
        pytest.skip("no amtool on the path (Debian: apt install prometheus-alertmanager)")
    return path


def run(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_use(amtool: str, dead_man_url: str = "http://127.0.0.1:1/") -> str:
    """The routes as somebody edits them who uses every channel."""
    text = re.sub(r"^    #(?! \S)", "    ", ROUTES.read_text(), flags=re.MULTILINE)
    said = subprocess.run([amtool, "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    assert version is not None
    if (int(version[1]), int(version[2])) < URL_FILES_SINCE:
        text = text.replace("url_file: /run/secrets/dead_man_url", f"url: {dead_man_url}")
    return text


def test_amtool_accepts_the_file_as_it_is_and_with_every_channel(amtool: str, tmp_path: Path) -> None:
    edited = tmp_path / "alertmanager.yaml"
    edited.write_text(in_use(amtool))

    assert "3 receivers" in run(amtool, "check-config", str(ROUTES))
    assert "3 receivers" in run(amtool, "check-config", str(edited))
    for channel in ("slack_configs", "email_configs", "webhook_configs"):
        assert f"    {channel}:" in edited.read_text()


@pytest.mark.parametrize("alert", [rule for group in rules()["groups"] for rule in group["rules"] if "alert" in rule])
def test_each_alert_goes_to_those_whom_its_severity_concerns(amtool: str, alert: dict[str, Any]) -> None:
    expected = {"page": "on_call,team", "ticket": "team", "none": "dead_man"}[alert["labels"]["severity"]]
    labels = {"alertname": alert["alert"], "pipeline": "orders", **alert["labels"]}

    found = run(amtool, "config", "routes", "test", f"--config.file={ROUTES}", *(f"{n}={v}" for n, v in labels.items()))

    assert found.strip() == expected


def test_a_page_a_ticket_and_the_dead_man_arrive_by_mail_slack_and_webhook(amtool: str, tmp_path: Path) -> None:
    port = free_port()
    with serving(Webhooks()) as slack, serving(Webhooks()) as dead_man, serving(Mailbox()) as mailbox:
        (tmp_path / "slack_url").write_text(slack.url)
        (tmp_path / "smtp_password").write_text("secret")
        (tmp_path / "dead_man_url").write_text(dead_man.url)
        smtp = f"smarthost: 127.0.0.1:{mailbox.server_address[1]}\n        require_tls: false"
        text = in_use(amtool, dead_man.url).replace("smarthost: smtp.example.org:587", smtp)
        text = re.sub(r"group_wait: \d+s", "group_wait: 0s", text).replace("/run/secrets", str(tmp_path))
        (tmp_path / "alertmanager.yaml").write_text(text)
        command = [
            installed_programs()["alertmanager"], "--config.file=alertmanager.yaml", "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ]  # fmt: skip
        program = Program(tmp_path, "alertmanager", command, {})
        program.start()
        try:
            _fire(f"http://127.0.0.1:{port}")
            wait_until(lambda: len(slack.bodies) == 2 and len(mailbox.mails) == 1, "both have arrived", PATIENCE)
            wait_until(lambda: bool(dead_man.bodies), "the dead man has arrived", PATIENCE)
        finally:
            program.stop()

    said = {body["attachments"][0]["title"]: body["attachments"][0]["text"] for body in slack.bodies}
    assert said == {
        "[firing] TidewheelLedgerDown": "the ledger does not answer. Start it.\n",
        "[firing] TidewheelDrift": "orders: columns drifted. Look.\n",
    }
    assert mailbox.mails[0]["subject"] == "[firing] the ledger does not answer"
    assert {alert["labels"]["alertname"] for alert in dead_man.bodies[0]["alerts"]} == {"TidewheelWatchdog"}


def _fire(url: str) -> None:
    """Post three alerts as Prometheus does."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    fired = (
        ("TidewheelLedgerDown", "page", "the ledger does not answer", "Start it."),
        ("TidewheelDrift", "ticket", "orders: columns drifted", "Look."),
        ("TidewheelWatchdog", "none", "always fires", "Send it on."),
    )
    alerts = [
        {
            "labels": {"alertname": name, "severity": severity},
            "annotations": {"summary": summary, "action": action},
            "endsAt": ends,
        }
        for name, severity, summary, action in fired
    ]

    def taken() -> bool:
        try:
            return httpx.post(f"{url}/api/v2/alerts", json=alerts).is_success
        except httpx.TransportError:
            return False

    wait_until(taken, "Alertmanager takes alerts", PATIENCE)
