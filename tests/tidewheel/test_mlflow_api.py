"""Answers of MLflow are distinguished from those of whatever answers in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tidewheel.errors import RegistryError
from tidewheel.mlflow_api import NotInRegistry, Refused, ask
from tidewheel.settings import Settings, load_settings

Answers = Callable[[int, str], Settings]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Settings whose MLflow gives one answer to everything."""
    said: list[tuple[int, str]] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = said[-1]
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", f"http://127.0.0.1:{server.server_port}")

    def answer(status: int, body: str) -> Settings:
        said.append((status, body))
        return load_settings()

    yield answer
    server.shutdown()
    server.server_close()


def error(code: str, message: str | None) -> str:
    return json.dumps({"error_code": code, "message": message})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=orders not found")),
        (400, error("INVALID_PARAMETER_VALUE", "Registered model alias champion not found.")),
    ],
)
def test_what_mlflow_does_not_have_is_not_there(answers: Answers, status: int, body: str) -> None:
    with pytest.raises(NotInRegistry):
        ask(answers(status, body), "GET", "registered-models/alias")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error("ENDPOINT_NOT_FOUND", "Endpoint not found.")),
        (403, error("PERMISSION_DENIED", None)),
        (500, "<html>oops</html>"),
    ],
)
def test_a_refusal_does_not_say_that_something_is_missing(answers: Answers, status: int, body: str) -> None:
    with pytest.raises(Refused) as found:
        ask(answers(status, body), "GET", "model-versions/get")
    assert found.type is Refused


@pytest.mark.parametrize(
    ("status", "body"), [(502, error("", "Bad gateway")), (503, ""), (200, "<html>Log in</html>"), (200, "[]")]
)
def test_what_answers_in_mlflows_place_is_not_mlflow(answers: Answers, status: int, body: str) -> None:
    with pytest.raises(RegistryError, match="is not MLflow") as found:
        ask(answers(status, body), "GET", "model-versions/get")
    assert not isinstance(found.value, Refused)
