"""A span for each request to `/predict`, sent to where OpenTelemetry's variables say. Imported only where they do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from bentos.call import Call
    from bentos.served import Served

SERVER_ERROR = 500


class Tracing:
    """Makes the spans of one process, and sends them in the background.

    Args:
        served: the model that answers.
    """

    def __init__(self, served: Served) -> None:
        packaged = served.packaged
        known = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", packaged.pipeline),
            "service.version": packaged.version,
            "tidewheel.colour": served.colour,
        }
        self._provider = TracerProvider(resource=Resource.create(known))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tidewheel.endpoint")
        self._propagator = TraceContextTextMapPropagator()

    def start(self, call: Call) -> Span:
        """Begin the span of a request, below the caller's where it names one."""
        carrier = {
            name: call.headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in call.headers
        }
        attributes = {
            "http.request.method": call.method,
            "url.path": "/predict",
            "tidewheel.request_id": call.request_id,
        }
        context = self._propagator.extract(carrier)
        return self._tracer.start_span(f"{call.method} /predict", context, SpanKind.SERVER, attributes)

    def end(self, span: Span, status: int, rows: int) -> None:
        """End it with what came of it."""
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("tidewheel.rows", rows)
        if status >= SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()
