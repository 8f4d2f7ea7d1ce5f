"""An endpoint that can be made slow, refusing or deaf."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Behaviour = Callable[["Handler"], int]


class Handler(BaseHTTPRequestHandler):
    """Answers as a model service does."""

    protocol_version = "HTTP/1.1"
    server: Scripted

    def setup(self) -> None:
        super().setup()
        self.disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        self.server.received.append(dict(self.headers) | {"rows": json.loads(self.rfile.read(length))["rows"]})
        status = self.server.behaviour(self)
        if status == 0:
            self.close_connection = True
            return
        said: dict[str, Any] = {"predictions": [0.5], "model_version": "7", "colour": "green"}
        body = json.dumps(said).encode()
        head = f"HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Scripted(ThreadingHTTPServer):
    """The endpoint; `behaviour` returns the status of an answer, 0 to close the connection instead."""

    daemon_threads = True
    request_queue_size = 500

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, Any]] = []
        self.behaviour: Behaviour = lambda _: 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/parcels"


@pytest.fixture
def endpoint() -> Iterator[Scripted]:
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
