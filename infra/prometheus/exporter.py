"""Serves the platform's metrics to Prometheus: `python -m infra.prometheus.exporter --port 9464`."""

from __future__ import annotations

import argparse
import signal
import threading
from http.server import ThreadingHTTPServer

from prometheus_client import CollectorRegistry, GCCollector, MetricsHandler, PlatformCollector, ProcessCollector

from infra.envoy.admin import EnvoyAdmin
from infra.prometheus.collector import LedgerCollector
from infra.prometheus.requests import RequestsCollector
from tidewheel.logs import configure
from tidewheel.settings import Settings, load_settings

PORT = 9464


def registry(settings: Settings) -> CollectorRegistry:
    """The platform's metrics, and those of the exporter's own process."""
    found = CollectorRegistry()
    found.register(LedgerCollector(settings))
    if settings.envoy_admin_url:  # a gateway of Kubernetes has a page of its own for Prometheus
        found.register(RequestsCollector(EnvoyAdmin(settings.envoy_admin_url)))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=found)
    return found


class Pages(MetricsHandler):
    """The metrics at any path but `/healthz`, which says that the process answers and costs no look at the ledger."""

    def do_GET(self) -> None:
        """Answer."""
        if self.path != "/healthz":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines in")
    parser.add_argument("--port", type=int, default=PORT, help=f"port to listen on ({PORT})")
    options = parser.parse_args()
    configure()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it has a line for each question to the router
    pages = type("Pages", (Pages,), {"registry": registry(load_settings())})
    with ThreadingHTTPServer((options.host, options.port), pages) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()


if __name__ == "__main__":
    main()
