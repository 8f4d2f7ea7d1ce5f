"""A running Prometheus, Alertmanager and exporter, with everything quick; and what receives the messages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
PATIENCE = 120.0
QUICK, SCRAPED_EVERY = "200ms", "2s"
"""A scrape may take no longer than its interval, and the machine may be busy."""
LENGTHS = {"5m": "10s", "30m": "12s", "1h": "14s", "6h": "16s", "3d": "18s", "15m": "10s", "2m": "1s", "10m": "1s"}
LENGTHS["1d"] = "10s"
"""Of the rules' windows and waits, in the usual order: four scrapes or more must lie in a window."""


class Pager:
    """Receives what Alertmanager sends, and remembers the newest state of each alert of a pipeline or of none.

    Several alerts of one name are distinguished by their window: `TidewheelErrorBudgetBurns 1h`.
    """

    def __init__(self, pipeline: str) -> None:
        self.states: dict[str, str] = {}
        states = self.states

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                ours = [one for one in body["alerts"] if one["labels"].get("pipeline", pipeline) == pipeline]
                states.update({_name(alert["labels"]): alert["status"] for alert in ours})
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def wait(self, state: str, *alerts: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait for messages that say so of each of these alerts.

        Args:
            state: `firing` or `resolved`.
            alerts: their names.
            meanwhile: done again and again until all of them have come.
        """
        missing = set(alerts)

        def none_missing() -> bool:
            meanwhile()
            missing.difference_update([alert for alert in missing if self.states.get(alert) == state])
            return not missing

        try:
            wait_until(none_missing, state, PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"not {state}: {sorted(missing)}; said: {self.states}") from error


def _name(labels: Mapping[str, str]) -> str:
    return f"{labels['alertname']} {labels.get('window', '')}".strip()


class Program:
    """A program that may be stopped and started again.

    Args:
        folder: it runs in, and that gets its log.
        name: of the log.
        command: starts it.
        environment: of it.
    """

    def __init__(self, folder: Path, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        self._folder, self._log, self._command, self._environment = folder, f"{name}.log", command, environment

    def start(self) -> None:
        """Start it."""
        with (self._folder / self._log).open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, cwd=self._folder, env=self._environment
            )

    def stop(self) -> None:
        """End it, and wait for its end."""
        self._process.terminate()
        self._process.wait(20)


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    url: str

    def query(self, expression: str) -> list[str]:
        """Values of an instant query; empty while Prometheus is still starting."""
        return [value for _, value in self.series(expression)]

    def series(self, expression: str) -> list[tuple[dict[str, str], str]]:
        """Labels and value of each series of an instant query; empty while Prometheus is still starting."""
        try:
            answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            return []
        answer.raise_for_status()
        return [(found["metric"], found["value"][1]) for found in answer.json()["data"]["result"]]


@dataclass(frozen=True)
class Monitoring(Prometheus):
    """What runs beside it."""

    pager: Pager
    exporter: Program


@contextmanager
def scraping(folder: Path, exporter: int) -> Iterator[Prometheus]:
    """Run Prometheus alone, over an exporter that runs already.

    Args:
        folder: of configuration and logs.
        exporter: its port.
    """
    [port, nobody] = free_ports(2)
    _write_yaml(folder / "rules.yaml", _quick_rules())
    _write_yaml(folder / "prometheus.yaml", _quick_configuration(exporter, nobody, []))
    program = Program(folder, "prometheus", _prometheus(port), os.environ)
    program.start()
    try:
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        program.stop()


def _prometheus(port: int) -> list[str]:
    return [
        installed_programs()["prometheus"], "--config.file=prometheus.yaml", "--storage.tsdb.path=series",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip


@contextmanager
def monitoring(
    folder: Path, pipeline: str, environment: Mapping[str, str], others: Sequence[int] = ()
) -> Iterator[Monitoring]:
    """Run it over a project.

    Args:
        folder: of configuration and logs.
        pipeline: whose alerts the pager hears.
        environment: settings of the exporter.
        others: ports of pages that are scraped too.
    """
    programs = installed_programs()
    exporter, prometheus, alertmanager = free_ports(3)
    pager, url = Pager(pipeline), f"http://127.0.0.1:{prometheus}"
    _write_yaml(folder / "rules.yaml", _quick_rules())
    _write_yaml(folder / "prometheus.yaml", _quick_configuration(exporter, alertmanager, others))
    route = {"receiver": "pager", "group_by": ["..."], "group_wait": "0s", "group_interval": QUICK}
    hooks = {"name": "pager", "webhook_configs": [{"url": pager.url, "send_resolved": True}]}
    _write_yaml(folder / "alertmanager.yaml", {"route": route, "receivers": [hooks]})
    commands = {
        "exporter": [sys.executable, "-m", "infra.prometheus.exporter", "--port", str(exporter)],
        "alertmanager": [
            programs["alertmanager"], "--config.file=alertmanager.yaml", "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        ],
        "prometheus": _prometheus(prometheus),
    }  # fmt: skip
    started = {
        name: Program(folder, name, command, {**os.environ, **environment}) for name, command in commands.items()
    }
    running = Monitoring(url, pager, started["exporter"])
    with ExitStack() as stack:
        stack.callback(pager.server.server_close)
        stack.callback(pager.server.shutdown)
        for program in started.values():
            program.start()
            stack.callback(program.stop)
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

    with page(metrics.text) as port:
        yield port, metrics


@contextmanager
def page(text: Callable[[], bytes]) -> Iterator[int]:
    """Serve a page of metrics: its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def installed_programs() -> dict[str, str]:
    """Paths of Prometheus and Alertmanager; without them the test is skipped."""
    found = {name: next(filter(None, map(shutil.which, names)), None) for name, names in PROGRAMS.items()}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(
            f"{' and '.join(missing)}: not on the path (Debian: apt install prometheus prometheus-alertmanager)"
        )
    return {name: str(path) for name, path in found.items()}


def _quick_configuration(exporter: int, alertmanager: int, others: Sequence[int]) -> dict[str, Any]:
    """The configuration as it is, but for ports and pace."""
    text = (ROOT / "infra" / "prometheus" / "prometheus.yaml").read_text()
    text = text.replace("9464", str(exporter)).replace("9093", str(alertmanager)).replace("30s", SCRAPED_EVERY)
    found: dict[str, Any] = YAML(typ="safe").load(text)
    found["global"]["evaluation_interval"] = QUICK
    targets = [f"127.0.0.1:{port}" for port in others]
    found["scrape_configs"].append({"job_name": "others", "static_configs": [{"targets": targets}]})
    return found


def _quick_rules() -> dict[str, Any]:
    """The rules as they are, but for lengths of time."""
    found = rules(LENGTHS)
    for group in found["groups"]:
        group["interval"] = QUICK
    return found


def _write_yaml(path: Path, document: object) -> None:
    with path.open("w") as file:
        YAML().dump(document, file)
