"""The health check of the containers, against a server that answers as Airflow does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from infra.images.health import problem
from tests.free_ports import free_port

HEALTH = {"scheduler": {"status": "healthy"}, "triggerer": {"status": "unhealthy"}}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 503)
            self.end_headers()
            self.wfile.write(json.dumps(HEALTH).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_service_that_answers_is_healthy_and_one_that_refuses_is_not(url: str) -> None:
    assert problem(f"{url}/health") == ""
    assert "503" in problem(f"{url}/elsewhere")
    assert "refused" in problem(f"http://127.0.0.1:{free_port()}/health")


def test_a_process_of_airflows_has_to_be_healthy_on_its_page(url: str) -> None:
    assert problem(f"{url}/health", "scheduler") == ""
    assert problem(f"{url}/health", "triggerer") == "triggerer is unhealthy"
    assert problem(f"{url}/health", "dag_processor") == "dag_processor is None"


def test_the_command_ends_as_docker_expects_it_and_says_why(url: str) -> None:
    command = [sys.executable, "-m", "infra.images.health", f"{url}/health"]

    assert subprocess.run([*command, "scheduler"], check=False, timeout=60).returncode == 0
    failed = subprocess.run([*command, "triggerer"], check=False, timeout=60, capture_output=True, text=True)
    assert (failed.returncode, failed.stderr) == (1, "triggerer is unhealthy\n")
