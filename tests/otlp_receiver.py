"""Takes spans and log records as an OpenTelemetry Collector does, over HTTP, and keeps them."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class SpanSeen:
    """One span, as it was received; its start in seconds since 1970."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    failed: bool
    start: float
    seconds: float


@dataclass(frozen=True)
class LogSeen:
    """One log record, as it was received."""

    body: str
    severity: int
    trace_id: str
    attributes: dict[str, Any]


@dataclass
class Receiver:
    """What was received.

    Attributes:
        url: for OTEL_EXPORTER_OTLP_ENDPOINT.
        headers: of the last call.
        logs: log records.
    """

    url: str
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    logs: list[LogSeen] = field(default_factory=list)

    @property
    def spans(self) -> list[SpanSeen]:
        """All spans so far."""
        return [
            SpanSeen(
                service=str(_values(resource.resource.attributes).get("service.name", "")),
                name=span.name,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                attributes=_values(span.attributes),
                failed=span.status.code == 2,
                start=span.start_time_unix_nano / 1e9,
                seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            )
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> SpanSeen:
        """The one span of a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found


def tree(spans: Iterable[SpanSeen]) -> str:
    """The spans of one trace as text, each below its parent: seconds from the first to its start, and its duration.

    Airflow sends a span with the id of the task for each of its tries: they stand beside each other.
    """
    spans = sorted(spans, key=lambda span: span.start)
    ids = {span.span_id for span in spans}

    def lines(parent: str | None, depth: int) -> Iterator[str]:
        done: set[str] = set()
        for span in spans:
            if span.parent_id == parent or (parent is None and span.parent_id not in ids):
                state = span.attributes.get("airflow.task_instance.state", "failed")  # Airflow: not only `failed`
                name = f"{'  ' * depth}{span.name}{f' ({state})' if span.failed else ''}"
                yield f"{name:<48}{span.start - spans[0].start:8.1f} s  {span.seconds:8.2f} s  {span.service}"
                if span.span_id not in done:
                    yield from lines(span.span_id, depth + 1)
                done.add(span.span_id)

    return "\n".join(lines(None, 0))


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self._body()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.headers = {name.lower(): value for name, value in self.headers.items()}
            if self.path.endswith("/v1/traces"):
                receiver.requests.append(ExportTraceServiceRequest.FromString(body))
            else:
                receiver.logs += _records(ExportLogsServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if "content-length" in self.headers:
                return self.rfile.read(int(self.headers["content-length"]))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()


def _records(request: ExportLogsServiceRequest) -> list[LogSeen]:
    return [
        LogSeen(record.body.string_value, record.severity_number, record.trace_id.hex(), _values(record.attributes))
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
