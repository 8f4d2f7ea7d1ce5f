"""Requests that mean ill: each is answered with a sentence, in bounded time and memory, and the others go on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from bentos import request_body
from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.settings import EndpointSettings
from jobs.data.request_log import RequestLog
from tests.bentos.conftest import Caller, unknown
from tests.bentos.service_process import Service, serving
from tests.conftest import wait_until
from tidewheel.release.artifact import Artifact
from tidewheel.settings import Settings


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"rows": ' + "[" * 100_000, 400),
        ('{"rows": [{"weight": ' + '{"a":' * 100_000, 400),
        ('{"rows": [{"weight": ' + "9" * 5000 + "}]}", 400),
        ('{"rows": [{"weight": "' + "9" * 50_000 + '"}]}', 422),
        ('{"rows": [{"weight": "\\ud800"}]}', 400),
        ('{"rows": [{"weight": 1}, {"weight": 1}], "rows": 1}', 422),
        (b'{"rows": [{"carrier": "\xff\xfe"}]}', 400),
        ("\x00", 400),
    ],
)
def test_strange_json_is_refused(caller: Caller, body: str | bytes, status: int) -> None:
    answer = caller.send("POST", "/predict", body)
    assert answer.status_code == status, answer.text
    assert len(answer.text) < 5000


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [{}] * 1000},
        {"rows": [{f"field{n}": n for n in range(50_000)}]},
        {"rows": [dict.fromkeys("abcdefghijklmnop")] * 1000},
    ],
)
def test_a_million_problems_cost_no_more_than_a_few(caller: Caller, body: dict[str, Any]) -> None:
    content = json.dumps(body)
    caller.predict(caller.golden[:1])
    started = time.process_time()
    answer = caller.send("POST", "/predict", content)
    assert answer.status_code == 422
    assert len(answer.json()["details"]) <= 20
    assert time.process_time() - started < 1


def test_a_body_that_never_ends_is_given_up(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.05)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.sleep(30)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
    asyncio.run(caller.endpoint(scope, receive, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"] == "the body was not complete within 0.05 seconds"


def test_large_bodies_that_come_together_are_bounded_together(
    served: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "LARGEST_TOTAL", 3_000_000)
    endpoint = Endpoint(unknown, lambda: served, EndpointSettings())
    statuses: list[int] = []

    async def one() -> None:
        parts = iter([(b" " * 1_000_000, True), (b"", False)])

        async def receive() -> Any:
            part, more = next(parts)
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": part, "more_body": more}

        async def send(message: Any) -> None:
            if "status" in message:
                statuses.append(message["status"])

        await endpoint({"type": "http", "method": "POST", "path": "/predict", "headers": []}, receive, send)

    async def together() -> None:
        await asyncio.gather(*(one() for _ in range(10)))

    asyncio.run(together())
    assert set(statuses) == {503, 400}, "some are refused for memory, the others since blanks are no JSON"
    statuses.clear()
    asyncio.run(one())
    assert statuses == [400], "what was held has been given back"


@pytest.fixture(scope="module")
def service(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(artifact.path, tmp_path_factory.mktemp("service") / "output", {}) as running:
        yield running


def connect(service: Service) -> socket.socket:
    address = urlsplit(str(service.client.base_url))
    return socket.create_connection((address.hostname, address.port), timeout=30)


def refuses(service: Service) -> bool:
    try:
        connect(service).close()
    except ConnectionRefusedError:
        return True
    return False


def begin(body: bytes, part: int, request_id: str = "half") -> bytes:
    head = f"POST /predict HTTP/1.1\r\nhost: model\r\nx-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body[:part]


@pytest.mark.slow
def test_hundreds_of_half_sent_requests_hold_nobody_up(service: Service, served: LoadedModel) -> None:
    row = dict(served.packaged.contract.golden_rows[0].row)
    before = psutil.Process(service.process.pid).memory_info().rss
    with contextlib.ExitStack() as stack:
        for n in range(300):
            held = stack.enter_context(connect(service))
            held.sendall(begin(b" " * 1000, n % 3) if n % 2 else b"POST /predict HTT")
        answers = [service.predict([row]) for _ in range(20)]
        assert all(answer.status_code == 200 for answer in answers)
        assert sum(answer.elapsed.total_seconds() for answer in answers) / 20 < 1
        assert psutil.Process(service.process.pid).memory_info().rss - before < 50 << 20


@pytest.mark.slow
@pytest.mark.parametrize("header", ["host", "x-forwarded-host", "x-forwarded-prefix", "forwarded"])
@pytest.mark.parametrize(
    "path", ["/predict/", "/readyz/", "/static_content", "/docs.json/", "//evil.example/..", "/x/"]
)
def test_nobody_is_sent_to_where_a_caller_says(service: Service, path: str, header: str) -> None:
    value = "host=evil.example" if header == "forwarded" else "evil.example"
    for method in ("GET", "POST"):
        answer = service.client.request(method, path, headers={header: value})
        assert not answer.is_redirect, answer.headers
        assert "evil" not in answer.text


@pytest.mark.slow
def test_no_request_made_from_the_openapi_document_breaks_the_service(service: Service) -> None:
    url = str(service.client.base_url)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/docs.json", f"--url={url}"]
    command += ["--checks=not_a_server_error,status_code_conformance,content_type_conformance"]
    command += ["--max-examples=60", "--seed=1", "--generation-database=none", "--include-path=/predict"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_a_request_that_is_being_sent_when_the_service_is_told_to_stop_is_answered_and_logged(
    artifact: Artifact, served: LoadedModel, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    environment = {"TIDEWHEEL_REQUEST_LOG": str(settings.request_log_folder / "orders")}
    body = json.dumps({"rows": [dict(served.packaged.contract.golden_rows[0].row)]}).encode()
    with serving(artifact.path, tmp_path / "output", environment) as running, connect(running) as held:
        held.sendall(begin(body, 10, "drained"))
        assert running.predict([dict(served.packaged.contract.golden_rows[0].row)]).status_code == 200
        running.client.close()
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(running), "no new connection is taken")
        held.sendall(body[10:])
        assert held.recv(100_000).startswith(b"HTTP/1.1 200")
        held.close()
        assert running.process.wait(60) == -signal.SIGTERM
    now = datetime.now(UTC)
    logged = RequestLog(settings, "orders").between(now - timedelta(days=1), now + timedelta(days=1))
    assert "drained" in set(logged["request_id"])
