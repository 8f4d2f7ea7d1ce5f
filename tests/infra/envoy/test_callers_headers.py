"""What a caller may not say, at a real Envoy: it is taken from the request before a service or the router reads it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from infra.embedded import services
from infra.envoy.admin import EnvoyAdmin
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.routing import Target, clusters, routes
from tests.conftest import wait_until
from tests.free_ports import free_port

TOKEN = "what only the router knows"


@dataclass(frozen=True)
class Model:
    """A service that answers after a moment and notes what it was sent."""

    server: ThreadingHTTPServer
    received: list[dict[str, str]] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.server.server_address[1]
        return port


@dataclass(frozen=True)
class Door:
    """A running Envoy before two of them, the second of which gets copies."""

    client: httpx.Client
    admin: EnvoyAdmin
    live: Model
    copied: Model

    def ask(self, **headers: str) -> tuple[dict[str, str], dict[str, str]]:
        """What both were sent of one request."""
        before = len(self.copied.received)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        assert self.client.post("/orders/predict", headers=named).status_code == 200
        wait_until(lambda: len(self.copied.received) > before, "the copy has come")
        return self.live.received[-1], self.copied.received[-1]


def serve() -> Model:
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append({name.lower(): value for name, value in self.headers.items()})
            threading.Event().wait(0.02)  # longer than the timeout that a caller would like to set
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Model(server, received)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    files, port = EnvoyFiles(tmp_path_factory.mktemp("envoy")), free_port()
    admin_socket = files.folder / "admin.sock"
    write_initial_state(files, endpoint=Address(port), admin_socket=admin_socket)
    live, copied = serve(), serve()
    targets = [
        Target("orders", "blue", "1", (live.port,), live=True),
        Target("orders", "green", "2", (copied.port,), live=False, mirrored=True),
    ]
    publish(files.clusters, CLUSTER, clusters(targets))
    publish(files.routes, ROUTES, [routes(targets, token=TOKEN)])
    process = subprocess.Popen(services.envoy(files).command, stderr=subprocess.DEVNULL)
    admin = EnvoyAdmin(f"unix://{admin_socket}")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        wait_until(lambda: not admin.ready() and "orders" in admin.actions(), "Envoy follows the routes")
        yield Door(client, admin, live, copied)
    process.terminate()
    process.wait(10)
    for model in (live, copied):
        model.server.shutdown()
        model.server.server_close()


PRETENDED: list[dict[str, str]] = [
    {},
    {"x_tidewheel_copy": "1"},
    {"X_Tidewheel_Copy": TOKEN},
    {"host": "orders-shadow"},
    {"host": "orders-shadow:80", "x_tidewheel_copy": "a" * 10_000},
]


@pytest.mark.parametrize("headers", PRETENDED)
def test_a_copy_is_marked_by_the_router_and_no_caller_marks_a_request(door: Door, headers: dict[str, str]) -> None:
    live, copied = door.ask(**headers)
    assert "x-tidewheel-copy" not in live
    assert copied["x-tidewheel-copy"] == TOKEN
    assert live["host"] == copied["host"], "the host is the caller's, and says nothing else"


@pytest.mark.parametrize(
    "name",
    [
        *("x-envoy-upstream-rq-timeout-ms", "X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms", "x-envoy-max-retries"),
        *("x-envoy-upstream-alt-stat-name", "x-envoy-force-trace", "x-envoy-decorator-operation", "x-envoy-anything"),
    ],
)
def test_envoys_own_headers_mean_nothing_from_a_caller(door: Door, name: str) -> None:
    before = door.admin.request_counts("orders-blue")
    live, _ = door.ask(**{name.replace("-", "_"): "1"})
    assert live.get(name.lower()) != "1"
    after = door.admin.request_counts("orders-blue")
    assert (after.requests, after.errors) == (before.requests + 1, before.errors)


def test_what_a_release_shows_and_a_callers_own_id_are_passed_on(door: Door) -> None:
    live, _ = door.ask(x_tidewheel_probe="token", x_request_id="mine", traceparent="00-1-2-03")
    assert (live["x-tidewheel-probe"], live["x-request-id"], live["traceparent"]) == ("token", "mine", "00-1-2-03")


@pytest.mark.parametrize("header", ["host", "x-forwarded-host", "x-forwarded-proto"])
def test_the_slash_at_the_end_comes_without_the_host_that_a_caller_names(door: Door, header: str) -> None:
    answer = door.client.get("/orders", headers={header: "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (308, "/orders/")
    assert "evil" not in answer.text


def test_the_routes_that_show_the_token_are_their_owners_alone(door: Door) -> None:
    routes_file = Path(door.admin.url.removeprefix("unix://")).with_name("rds.json")
    assert routes_file.stat().st_mode & 0o777 == 0o600
