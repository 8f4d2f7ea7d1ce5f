"""Serves the platform's metrics to Prometheus: `python -m infra.prometheus.exporter --port 9464`."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer

from prometheus_client import CollectorRegistry, GCCollector, MetricsHandler, PlatformCollector, ProcessCollector

from infra.envoy.admin import EnvoyAdmin
from infra.prometheus.collector import LedgerCollector
from infra.prometheus.recorder import TrafficRecorder
from infra.prometheus.requests import RequestsCollector
from infra.prometheus.routers import ReadRouters, routers
from infra.prometheus.shared import SharedCollector
from infra.prometheus.targets import model_services
from tidewheel.errors import PlatformError
from tidewheel.ledger import Ledger
from tidewheel.ledger.traffic import TrafficLog
from tidewheel.logs import configure
from tidewheel.settings import Settings, load_settings

PORT = 9464
LAST_READING_SECONDS = 5.0


def registry(settings: Settings, read: ReadRouters | None = None) -> CollectorRegistry:
    """The platform's metrics, and those of the exporter's own process.

    Args:
        settings: of the installation.
        read: reads its routers; None where it has none.
    """
    metrics = CollectorRegistry()
    metrics.register(SharedCollector(LedgerCollector(settings)))
    if read is not None:
        metrics.register(SharedCollector(RequestsCollector(read)))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=metrics)
    return metrics


class Pages(MetricsHandler):
    """The metrics at any path but three.

    `/healthz` says that the process does its work and costs no look at the ledger; `/targets` lists the model services
    of this machine for Prometheus' HTTP discovery; `/envoy` has the own metrics of this machine's Envoy, whose admin
    socket nobody else may open.
    """

    settings: Settings
    recording: threading.Thread | None = None

    def do_GET(self) -> None:
        """Answer."""
        match self.path:
            case "/healthz":
                well = self.recording is None or self.recording.is_alive()
                self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, "[]")
            case "/targets":
                self._answer(HTTPStatus.OK, json.dumps(model_services(self.settings)))
            case "/envoy":
                self._envoy()
            case _:
                super().do_GET()

    def _envoy(self) -> None:
        if not self.settings.envoy_admin_url:
            self._answer(HTTPStatus.NOT_FOUND, "this installation has no Envoy of its own\n", "text/plain")
            return
        try:
            page = EnvoyAdmin(self.settings.envoy_admin_url).for_prometheus()
        except PlatformError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, f"{error}\n", "text/plain")
        else:
            self._answer(HTTPStatus.OK, page.decode(), "text/plain; version=0.0.4")

    def _answer(self, status: HTTPStatus, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on ({PORT})")
    options = parser.parse_args()
    configure()
    settings, stop = load_settings(), threading.Event()
    recording = None
    if read := routers(settings):
        recorder = TrafficRecorder(read, TrafficLog(Ledger.open(settings, patience_seconds=0)))
        recording = threading.Thread(target=recorder.run, args=(stop,), name="recorder", daemon=True)
    facts = {"registry": registry(settings, read), "settings": settings, "recording": recording}
    with ThreadingHTTPServer((options.host, options.port), type("Pages", (Pages,), facts)) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        if recording:
            recording.start()
        server.serve_forever()
    if recording:
        stop.set()
        recording.join(LAST_READING_SECONDS)


if __name__ == "__main__":
    main()
