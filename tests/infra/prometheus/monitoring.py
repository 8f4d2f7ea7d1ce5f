"""A running Prometheus, Alertmanager and exporter, with everything quick; and what receives the messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from bentos.contract_counts import ContractCounts
from bentos.metrics import Metrics
from bentos.problems import RequestRefused
from bentos.request_head import RequestHead
from infra.prometheus.rules import rules
from tests.conftest import wait_until
from tests.free_ports import free_ports

PROGRAMS = {"prometheus": ("prometheus",), "alertmanager": ("alertmanager", "prometheus-alertmanager")}
ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
QUICK, SCRAPED_EVERY = "200ms", "2s"
"""A scrape may take no longer than its interval, and the machine may be busy."""


class Pager:
    """Receives what Alertmanager sends, and remembers the newest state of each alert of a pipeline or of none."""

    def __init__(self, pipeline: str) -> None:
        self.states: dict[str, str] = {}
        states = self.states

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                ours = [one for one in body["alerts"] if one["labels"].get("pipeline", pipeline) == pipeline]
                states.update({alert["labels"]["alertname"]: alert["status"] for alert in ours})
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


@dataclass(frozen=True)
class Monitoring:
    """What runs."""

    prometheus: str
    pager: Pager

    def query(self, expression: str) -> list[str]:
        """Values of an instant query; empty while Prometheus is still starting."""
        try:
            answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return []
        answer.raise_for_status()
        return [found["value"][1] for found in answer.json()["data"]["result"]]


@contextmanager
def monitoring(folder: Path, pipeline: str, environment: Mapping[str, str]) -> Iterator[Monitoring]:
    """Run it over a project.

    Args:
        folder: of configuration and logs.
        pipeline: whose alerts the pager hears.
        environment: settings of the exporter.
    """
    programs = _programs()
    exporter, prometheus, alertmanager = free_ports(3)
    pager, url = Pager(pipeline), f"http://127.0.0.1:{prometheus}"
    _write_yaml(folder / "rules.yaml", _quick_rules())
    _write_yaml(folder / "prometheus.yaml", _quick_configuration(exporter, alertmanager))
    route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s", "group_interval": QUICK}
    hooks = {"name": "pager", "webhook_configs": [{"url": pager.url, "send_resolved": True}]}
    _write_yaml(folder / "alertmanager.yaml", {"route": route, "receivers": [hooks]})
    commands = {
        "exporter": [sys.executable, "-m", "infra.prometheus.exporter", "--port", str(exporter)],
        "alertmanager": [
            programs["alertmanager"], "--config.file=alertmanager.yaml", "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        ],
        "prometheus": [
            programs["prometheus"], "--config.file=prometheus.yaml", "--storage.tsdb.path=series",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ],
    }  # fmt: skip
    running = Monitoring(url, pager)
    with ExitStack() as stack:
        stack.callback(pager.server.server_close)
        stack.callback(pager.server.shutdown)
        for name, command in commands.items():
            stack.enter_context(_running(folder, name, command, {**os.environ, **environment}))
        wait_until(lambda: running.query("tidewheel_ledger_up") == ["1"], "the exporter is scraped", PATIENCE)
        yield running


@contextmanager
def model_service(pipeline: str, version: str) -> Iterator[tuple[int, Metrics]]:
    """The page of a service's figures: its port, and what it counts."""
    packaged = SimpleNamespace(pipeline=pipeline, version=version, format="onnx", contract=SimpleNamespace(columns=()))
    log = SimpleNamespace(written=3, dropped={"queue": 0}, cut_requests=0, cut_rows=0)
    counts = ContractCounts(packaged, "blue")  # type: ignore[arg-type]
    counts.refused(RequestHead("POST", {}, "request"), RequestRefused(422, "no rows"))
    served = SimpleNamespace(packaged=packaged, colour="blue")
    metrics = Metrics(served, log, counts)  # type: ignore[arg-type]

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(metrics.text())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], metrics
        server.shutdown()


@contextmanager
def _running(folder: Path, name: str, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def _programs() -> dict[str, str]:
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(
            f"{' and '.join(missing)}: not on the path (Debian: apt install prometheus prometheus-alertmanager)"
        )
    return {name: str(path) for name, path in found.items()}


def _quick_configuration(exporter: int, alertmanager: int) -> dict[str, Any]:
    """The configuration as it is, but for ports and pace."""
    text = (ROOT / "infra" / "prometheus" / "prometheus.yaml").read_text()
    text = text.replace("9464", str(exporter)).replace("9093", str(alertmanager)).replace("30s", SCRAPED_EVERY)
    found: dict[str, Any] = YAML(typ="safe").load(text)
    found["global"]["evaluation_interval"] = QUICK
    return found


def _quick_rules() -> dict[str, Any]:
    """The rules as they are, but for the time that a cause must last."""
    found = rules()
    for group in found["groups"]:
        group["interval"] = QUICK
        for rule in group["rules"]:
            rule.pop("for", None)
    return found


def _write_yaml(path: Path, document: object) -> None:
    with path.open("w") as file:
        YAML().dump(document, file)
