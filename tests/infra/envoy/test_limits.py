"""Callers that are slow, silent or too many, at a real Envoy: they are cut off, and the others are answered."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from infra.embedded import services
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.limits import ListenerLimits
from infra.envoy.routing import Target, clusters, routes
from tests.conftest import wait_until
from tests.free_ports import free_port

SHORT = ListenerLimits(connections=20, header_seconds=0.5, request_seconds=0.7, still_seconds=2, idle_seconds=1)
HEAD = b"POST /orders/predict HTTP/1.1\r\nhost: model\r\ncontent-type: application/json\r\n"


class Model(BaseHTTPRequestHandler):
    """Answers how many bytes it was sent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = json.dumps(len(body)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Door:
    """A running Envoy with short limits, before a model."""

    port: int

    def answers(self) -> bool:
        """Whether somebody who asks as one should is answered."""
        with contextlib.suppress(httpx.TransportError):
            url = f"http://127.0.0.1:{self.port}/orders/predict"
            return httpx.post(url, content=b"12345", trust_env=False).text == "5"
        return False

    def connect(self) -> socket.socket:
        """A connection that has said nothing yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    files, port = EnvoyFiles(tmp_path_factory.mktemp("envoy")), free_port()
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    write_initial_state(files, endpoint=Address(port), admin_socket=files.folder / "admin.sock", limits=SHORT)
    target = Target("orders", "blue", "1", (model.server_address[1],), live=True)
    publish(files.clusters, CLUSTER, clusters([target]))
    publish(files.routes, ROUTES, [routes([target])])
    process = subprocess.Popen(services.envoy(files).command, stderr=subprocess.DEVNULL)
    found = Door(port)
    wait_until(found.answers, "the model answers through Envoy")
    yield found
    process.terminate()
    process.wait(10)
    model.shutdown()
    model.server_close()


def all_of(held: socket.socket) -> bytes:
    """What is said on a connection until the other side closes it; a timeout where it does not."""
    return b"".join(iter(lambda: held.recv(65536), b""))


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (HEAD, b"HTTP/1.1 408"),
        (HEAD + b"content-length: 10\r\n\r\n12345", b"HTTP/1.1 408"),
        (b"", b""),
    ],
    ids=["half the headers", "half the body", "nothing"],
)
def test_who_does_not_go_on_is_cut_off_and_the_others_are_answered_meanwhile(
    door: Door, sent: bytes, answer: bytes
) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(door.connect()) for _ in range(10)]
        for each in slow:
            each.sendall(sent)
        assert door.answers()
        assert all(all_of(each).startswith(answer) for each in slow)


def test_one_connection_too_many_is_closed_and_room_comes_back(door: Door) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(SHORT.connections):
            stack.enter_context(door.connect()).sendall(HEAD)
        late = stack.enter_context(door.connect())
        with contextlib.suppress(ConnectionResetError):
            assert not late.recv(1)
    wait_until(door.answers, "there is room again")


def test_headers_without_end_are_refused(door: Door) -> None:
    with door.connect() as held:
        held.sendall(HEAD + b"x-long: " + b"a" * (SHORT.header_kilobytes << 10) + b"\r\n\r\n")
        assert held.recv(4096).startswith(b"HTTP/1.1 431")
