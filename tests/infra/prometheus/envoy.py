"""A real Envoy in front of a model that answers with the status it is sent."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from infra.embedded import services
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.routing import Target, clusters, routes
from tests.conftest import wait_until
from tests.free_ports import free_port


class Model(BaseHTTPRequestHandler):
    """Answers with the status in the request's body, after the seconds there."""

    def do_POST(self) -> None:
        status, seconds = self.rfile.read(int(self.headers["content-length"])).split()
        time.sleep(float(seconds))
        self.send_response(int(status))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class RunningEnvoy:
    """Routes pipelines' requests to a colour; may be started again.

    Args:
        folder: of its files.
        pipelines: whose requests it routes; `orders` where none is named.
    """

    def __init__(self, folder: Path, *pipelines: str) -> None:
        self._files, self._port, self._pipelines = EnvoyFiles(folder), free_port(), pipelines or ("orders",)
        self._model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
        threading.Thread(target=self._model.serve_forever, daemon=True).start()
        socket = folder / "admin.sock"
        self.admin_url = f"unix://{socket}"
        write_initial_state(self._files, endpoint=Address(self._port), admin_socket=socket)
        self.route("blue")

    def route(self, *colours: str) -> None:
        """Have these colours, and send requests to the last of them."""
        ports = (self._model.server_address[1],)
        targets = [
            Target(pipeline, colour, "1", ports, live=colour == colours[-1])
            for pipeline in self._pipelines
            for colour in colours
        ]
        publish(self._files.clusters, CLUSTER, clusters(targets))
        publish(self._files.routes, ROUTES, [routes(targets)])

    def start(self) -> None:
        """Start it, and wait until it routes."""
        self._process = subprocess.Popen(services.envoy(self._files).command, stderr=subprocess.DEVNULL)
        wait_until(lambda: self._answers(), "the model answers through Envoy")

    def send(self, number: int, status: int = 200, pipeline: str = "", seconds: float = 0) -> None:
        """Send requests that the model answers with a status after a time, of the first pipeline or another one."""
        url = f"{self._url}/{pipeline or self._pipelines[0]}/predict"
        with httpx.Client(trust_env=False) as client:
            for _ in range(number):
                assert client.post(url, content=f"{status} {seconds}").status_code == status

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        """End it, and the model."""
        self.kill()
        self._model.shutdown()
        self._model.server_close()

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (
                httpx.post(f"{self._url}/{self._pipelines[0]}/ready", content="200 0", trust_env=False).status_code
                == 200
            )
        return False
