"""How a release asks a service that wants a token: the token is found where the service finds it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tidewheel.errors import ReleaseError
from tidewheel.release.probe import Probe, Unanswered

TOKEN, FILE = "TIDEWHEEL_ENDPOINT_TOKEN", "TIDEWHEEL_ENDPOINT_TOKEN_FILE"


class Service(BaseHTTPRequestHandler):
    """Lets in who shows the token `secret`."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        right = self.headers["authorization"] == "Bearer secret"
        said = {"predictions": [0.5], "model_version": "1", "colour": "blue"} if right else {"error": "a token"}
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for variable in (TOKEN, FILE):
        monkeypatch.delenv(variable, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_token_comes_from_the_variable_or_from_the_first_line_of_the_file(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    with Probe(url) as probe:
        assert probe.predict([{}]).predictions == [0.5]
    monkeypatch.delenv(TOKEN)
    file = tmp_path / "tokens"
    file.write_text("\n secret \nthe-old-one\n")
    monkeypatch.setenv(FILE, str(file))
    with Probe(url) as probe:
        assert probe.predict([{}]).version == "1"


@pytest.mark.parametrize(("token", "why"), [("", "none is set here"), ("wrong", "the one here is not among those")])
def test_a_service_that_wants_another_token_says_where_to_set_it(
    url: str, monkeypatch: pytest.MonkeyPatch, token: str, why: str
) -> None:
    monkeypatch.setenv(TOKEN, token)
    with Probe(url) as probe, pytest.raises(ReleaseError, match=f"wants a token: {why}.*{TOKEN} or {FILE}"):
        probe.predict([{}])


def test_nobody_there_is_told_from_a_bad_answer() -> None:
    with Probe("http://127.0.0.1:1") as probe, pytest.raises(Unanswered, match="predict does not answer"):
        probe.predict([{}])
