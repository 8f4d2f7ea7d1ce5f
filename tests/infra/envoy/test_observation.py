"""What a real Envoy logs of requests and of itself, and the spans it sends and passes on."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from infra.embedded import services
from infra.envoy.admin import EnvoyAdmin
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import CLUSTER, ROUTES, EnvoyFiles, publish
from infra.envoy.observation import Collector, Observation
from infra.envoy.routing import Target, clusters, routes
from tests.conftest import wait_until
from tests.free_ports import free_port
from tests.log_lines import log_lines
from tests.otlp_receiver import Receiver, receiving
from tidewheel.errors import SettingsError

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass
class Door:
    """A running Envoy before a service that notes the headers it gets."""

    client: httpx.Client
    receiver: Receiver
    output: Path
    received: list[dict[str, str]] = field(default_factory=list)

    def ask(self, path: str = "/orders/predict", **headers: str) -> dict[str, str]:
        """The headers that reached the service."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        assert self.client.post(path, content=b"{}", headers=named).status_code == 200
        return self.received[-1]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    files, port = EnvoyFiles(tmp_path_factory.mktemp("envoy")), free_port()
    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    output, socket = files.folder / "envoy.log", files.folder / "admin.sock"
    with receiving() as receiver:
        variables = {
            "TIDEWHEEL_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=very%20secret",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0",
        }
        observation = Observation.from_environment(variables)
        write_initial_state(files, endpoint=Address(port), admin_socket=socket, observation=observation)
        targets = [Target("orders", "blue", "1", (service.server_address[1],), live=True)]
        publish(files.clusters, CLUSTER, clusters(targets))
        publish(files.routes, ROUTES, [routes(targets)])
        program = services.envoy(files)
        with output.open("wb") as log:
            process = subprocess.Popen(program.command, env=dict(program.env), stdout=log, stderr=log)
        admin = EnvoyAdmin(f"unix://{socket}")
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                wait_until(lambda: not admin.ready() and "orders" in admin.actions(), "Envoy follows the routes")
                yield Door(client, receiver, output, received)
        finally:
            process.terminate()
            process.wait(10)
            service.shutdown()
            service.server_close()


def test_a_sampled_request_is_one_trace_from_the_caller_to_the_service(door: Door) -> None:
    there = door.ask("/orders/predict?api_key=hidden-key", traceparent=f"00-{TRACE}-{PARENT}-01", x_request_id="q-1")
    wait_until(lambda: any(span.trace_id == TRACE for span in door.receiver.spans), "Envoy has sent its span")
    span = next(span for span in door.receiver.spans if span.trace_id == TRACE)
    assert span.parent_id == PARENT
    assert span.service == "tidewheel-endpoint"
    assert there["traceparent"] == f"00-{TRACE}-{span.span_id}-01"
    assert there["x-request-id"] == span.attributes["tidewheel.request_id"] == "q-1"
    assert span.attributes["http.status_code"] == "200"
    assert "hidden-key" not in str(span)
    assert door.receiver.headers["x-key"] == "very secret"


def test_what_the_caller_does_not_sample_is_not_sampled_after_it(door: Door) -> None:
    trace = "1" * 32
    there = door.ask(traceparent=f"00-{trace}-{PARENT}-00")
    assert re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-00", there["traceparent"])


def test_a_request_of_no_trace_is_sampled_at_the_rate_and_keeps_its_id(door: Door) -> None:
    there = door.ask(x_request_id="no-uuid")
    assert there["traceparent"].endswith("-00")
    assert there["x-request-id"] == "no-uuid"
    assert len(door.ask()["x-request-id"]) == 36


def test_every_line_is_one_record_of_the_schema_whatever_a_request_holds(door: Door) -> None:
    hostile = quote('\n{"level": "error"}\r\n\u2028"\\\x00\xff', encoding="latin-1", errors="replace")
    door.ask(
        f"/orders/{hostile}?token=hidden-token",
        x_request_id="hostile",
        user_agent='"\\',
        authorization="Bearer abcdefgh1",
    )
    door.client.get("/healthz")
    door.client.get("/nothing")
    wait_until(lambda: "/nothing" in door.output.read_text(), "the access log is written", seconds=20)
    lines = log_lines(door.output.read_text())
    (line,) = [line for line in lines if line.get("request_id") == "hostile"]
    assert (line["logger"], line["pipeline"], line["status"], line["upstream"]) == (
        "envoy.access",
        "orders",
        200,
        "orders-blue",
    )
    (traced,) = [line for line in lines if line.get("request_id") == "q-1"]
    assert traced["trace_id"] == TRACE
    assert any(line["logger"].startswith("envoy.") and line["logger"] != "envoy.access" for line in lines)
    assert not any(line.get("path") == "/healthz" for line in lines)
    text = door.output.read_text()
    assert not [secret for secret in ("hidden-key", "hidden-token", "abcdefgh1", "very secret") if secret in text]


@pytest.mark.parametrize(
    ("variables", "percent"),
    [
        ({}, 100),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, 0),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}, 1),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}, 100),
    ],
)
def test_the_share_of_traced_requests_is_the_standards(variables: dict[str, str], percent: float) -> None:
    found = Collector.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/otlp/", **variables})
    assert found is not None
    assert (found.host, found.port, found.path, found.encrypted) == ("collector", 443, "/otlp/v1/traces", True)
    assert found.percent == percent


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "'jaeger_remote': expected one of parentbased_always_on"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"}, "'1%': expected a share"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "nan"}, "'nan': expected a share"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Collector.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", **variables})


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_traces_can_be_switched_off(off: dict[str, str]) -> None:
    assert Collector.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", **off}) is None
    assert Observation.from_environment({}) == Observation()
