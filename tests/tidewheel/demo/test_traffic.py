"""Every request of the demo's traffic is counted for what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.conftest import wait_until
from tests.free_ports import free_port
from tidewheel.demo.traffic import RequestStream

ANSWERS = (b'{"model_version": "3", "predictions": [0.5]}', b"[0.5]", b"no json")


class _Endpoint(BaseHTTPRequestHandler):
    """Answers with what the first row's `answer` says."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer = ANSWERS[asked["rows"][0]["answer"]]
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", free_port()), _Endpoint) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/predict"
        server.shutdown()
        thread.join()


def test_an_answer_of_another_form_is_a_failure_and_the_traffic_goes_on(endpoint: str) -> None:
    with RequestStream(endpoint, [{"answer": number} for number in range(3)], per_second=200) as report:
        wait_until(lambda: report.sent >= 30, "thirty requests are sent")
    assert report.sent == report.failed + report.versions.total()
    assert {failure.split(":")[0] for failure in report.failures} == {"TypeError", "JSONDecodeError"}
    assert set(report.versions) == {"3"}


def test_traffic_to_this_machine_does_not_ask_a_proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with RequestStream(endpoint, [{"answer": 0}], per_second=200) as report:
        wait_until(lambda: report.sent >= 10, "ten requests are sent")
    assert report.failures == {}


def test_nobody_listening_is_a_failure_of_each_request() -> None:
    with RequestStream(f"http://127.0.0.1:{free_port()}/predict", [{}], per_second=200) as report:
        wait_until(lambda: report.sent >= 4, "four requests are sent")
    assert report.failed == report.sent
