"""A span for each request to `/predict`, sent to where OpenTelemetry's variables say. Imported only where they do."""

from __future__ import annotations

import logging
import os
import random
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from bentos.loaded_model import LoadedModel
    from bentos.request_head import RequestHead

log = logging.getLogger("tidewheel.endpoint")

FLUSH_SECONDS = 2.0
"""How long the end of the service waits for the collector."""
RATIO = "traceidratio"
ALL_OR_NONE = {"always_on": 1.0, "always_off": 0.0}
SERVER_ERROR = 500
TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
SAMPLED = 1
"""The flag of https://www.w3.org/TR/trace-context/#sampled-flag"""
LENGTH, NO_FLAG = 55, b"-00"


class Tracing:
    """Makes the spans of one process, and sends them in the background.

    Args:
        served: the model that answers.
    """

    def __init__(self, served: LoadedModel) -> None:
        packaged = served.packaged
        self._version = packaged.version
        known = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", packaged.pipeline),
            "service.version": packaged.version,
            "tidewheel.colour": served.colour,
        }
        resource, processor = Resource.create(known), BatchSpanProcessor(OTLPSpanExporter())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        drawn = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        for provider in (self._provider, drawn):  # one processor: both send in the same batches
            provider.add_span_processor(processor)
        self._tracer, self._drawn = (each.get_tracer("tidewheel.endpoint") for each in (self._provider, drawn))
        self._share = share_of_roots(os.environ)
        self._propagator = TraceContextTextMapPropagator()
        self._asks_parent = os.environ.get("OTEL_TRACES_SAMPLER", "parentbased").startswith("parentbased")

    def start(self, call: RequestHead) -> Span | None:
        """Begin the span of a request, below the caller's where it names one; None where it is not sampled."""
        parent, tracer = call.headers.get(b"traceparent", b""), self._tracer
        if self._asks_parent and unsampled(parent):
            return None  # 99 of 100, which then cost nothing
        if not parent and self._share is not None:  # no proxy traces: drawn here, before a span is made for nothing
            if random.random() >= self._share:  # noqa: S311  nobody's secret
                return None
            tracer = self._drawn
        carrier = {
            name: call.headers[name.encode()].decode("latin-1")
            for name in ("traceparent", "tracestate")
            if name.encode() in call.headers
        }
        attributes = {
            "http.request.method": call.method,
            "url.path": "/predict",
            "tidewheel.request_id": call.request_id,
            "tidewheel.model_version": self._version,
        }
        context = self._propagator.extract(carrier)
        return tracer.start_span(f"{call.method} /predict", context, SpanKind.SERVER, attributes)

    def end(self, span: Span, status: int, rows: int) -> None:
        """End it with what came of it."""
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("tidewheel.rows", rows)
        if status >= SERVER_ERROR:
            span.set_status(StatusCode.ERROR)
        span.end()

    @staticmethod
    def ids(span: Span) -> dict[str, str]:
        """The fields of a log line that lead to a span."""
        context = span.get_span_context()
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def close(self) -> None:
        """Send what waits, as far as the collector takes it within `FLUSH_SECONDS`."""
        # Neither the SDK's flush nor its shutdown keeps to a time of ours: with a silent collector, they took 28 s.
        sending = threading.Thread(target=self._provider.force_flush, daemon=True, name="last spans")
        sending.start()
        sending.join(FLUSH_SECONDS)
        if sending.is_alive():
            log.warning("the last spans were not sent: the collector did not answer within %g s", FLUSH_SECONDS)


def share_of_roots(environment: Mapping[str, str]) -> float | None:
    """Which share of the requests without a caller's trace is sampled; None where only the SDK can say."""
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if sampler in ALL_OR_NONE:
        return ALL_OR_NONE[sampler]
    if sampler != RATIO:
        return None
    try:
        share = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    except ValueError:  # the SDK warns of it
        return None
    return share if 0 <= share <= 1 else None


def unsampled(parent: bytes) -> bool:
    """Whether a `traceparent` says that its trace is not sampled.

    Envoy says so with no flag set: the end of the header shows it, in a tenth of the time that the pattern takes.
    """
    if parent.endswith(NO_FLAG):
        return len(parent) == LENGTH
    return bool(TRACEPARENT.fullmatch(parent)) and not int(parent[-2:], 16) & SAMPLED
