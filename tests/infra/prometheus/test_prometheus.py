"""A real Prometheus scrapes the exporter of a real ledger; a real Alertmanager passes on what fires and resolves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from ruamel.yaml import YAML

from infra.prometheus.rules import rules
from tests.conftest import wait_until
from tests.free_ports import free_ports
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status

if TYPE_CHECKING:
    from tests.conftest import PostgresServer

PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("alertmanager", "prometheus-alertmanager")}
PATIENCE = 60.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(
            f"{' and '.join(missing)}: not on the path (Debian: apt install prometheus prometheus-alertmanager)"
        )
    return {name: str(path) for name, path in found.items()}


class Pager:
    """Receives what Alertmanager sends, and remembers the newest state of each alert."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        states = self.states

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                states.update({alert["labels"]["alertname"]: alert["status"] for alert in body["alerts"]})
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def wait(self, alert: str, state: str) -> float:
        """Wait for a message that says so; returns the seconds that it took."""
        began = time.monotonic()
        wait_until(lambda: self.states.get(alert) == state, f"{alert} is {state}; said: {self.states}", PATIENCE)
        return time.monotonic() - began


@contextmanager
def running(folder: Path, name: str, *command: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def write_yaml(path: Path, document: object) -> None:
    with path.open("w") as file:
        YAML().dump(document, file)


def quick_rules() -> dict[str, Any]:
    """The rules as they are, but for the time that a cause must last."""
    found = rules()
    for group in found["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule.update({"for": "1s"} if "for" in rule else {})
    return found


@pytest.fixture
def pager(
    programs: dict[str, str], restarted_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pager]:
    """Exporter, Prometheus and Alertmanager over the ledger of a server that the test may stop."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "jobs").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(f"{PIPELINE_FILE}gate: {{approval: manual}}\n")
    exporter, prometheus, alertmanager = free_ports(3)
    receiver = Pager()
    write_yaml(tmp_path / "rules.yaml", quick_rules())
    scrape = {"job_name": "tidewheel", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}
    write_yaml(
        tmp_path / "prometheus.yaml",
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [scrape],
        },
    )
    route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    hooks = {"name": "pager", "webhook_configs": [{"url": receiver.url, "send_resolved": True}]}
    write_yaml(tmp_path / "alertmanager.yaml", {"route": route, "receivers": [hooks]})
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", restarted_postgres.url("postgres"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    with (
        running(
            tmp_path, "alertmanager", programs["alertmanager"], "--config.file=alertmanager.yaml",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=", "--storage.path=alerts",
        ),
        running(
            tmp_path, "prometheus", programs["prometheus"], "--config.file=prometheus.yaml",
            f"--web.listen-address=127.0.0.1:{prometheus}", "--storage.tsdb.path=series",
        ),
        running(tmp_path, "exporter", sys.executable, "-m", "infra.prometheus.exporter", "--port", str(exporter)),
    ):  # fmt: skip
        query = f"http://127.0.0.1:{prometheus}/api/v1/query?query=tidewheel_ledger_up"
        wait_until(lambda: scraped(query) == ["1"], "Prometheus has scraped the exporter", PATIENCE)
        yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def scraped(query: str) -> list[str]:
    try:
        answer = httpx.get(query)
    except httpx.TransportError:
        return []
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it is starting
        return []
    return [found["value"][1] for found in answer.json()["data"]["result"]]


def test_alerts_arrive_and_are_taken_back(pager: Pager, restarted_postgres: PostgresServer) -> None:
    ledger = Ledger(restarted_postgres.url("postgres"))
    now = datetime.now(UTC)
    today = now.date()
    releases = Releases(ledger)
    ledger.put_figures("orders", str(today - timedelta(days=4)), {"log_loss": 0.5}, now, version="3")
    pager.wait("TidewheelWatchdog", "firing")
    pager.wait("TidewheelNightLate", "firing")
    yesterday = str(today - timedelta(days=1))
    ledger.put_figures("orders", yesterday, {"log_loss": 0.5, "drifted_columns": 3}, now)
    ledger.put_figures("orders", yesterday, {"feature_drift": 0.4}, now, slice="amount")
    pager.wait("TidewheelNightLate", "resolved")
    pager.wait("TidewheelDrift", "firing")
    ledger.put_figures("orders", yesterday, {"drifted_columns": 0}, now)
    pager.wait("TidewheelDrift", "resolved")

    first = releases.begin("orders", "3", "blue", {"stages": []}, "run", now - timedelta(hours=3))
    pager.wait("TidewheelReleaseStuck", "firing")
    releases.end(first.id, Status.FAILED, "it would not start", now)
    pager.wait("TidewheelReleaseStuck", "resolved")
    assert pager.wait("TidewheelReleaseFailed", "firing") < PATIENCE

    ledger.engine.dispose()
    restarted_postgres.stop()
    pager.wait("TidewheelLedgerDown", "firing")
    restarted_postgres.start()
    pager.wait("TidewheelLedgerDown", "resolved")
