"""The OpenTelemetry half of `tidewheel.tracing`; imported only where a collector is named."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import tidewheel
from tidewheel.logs import describe
from tidewheel.tracing import ADDRESSES

if TYPE_CHECKING:
    from opentelemetry.context import Context

log = logging.getLogger("tidewheel.tracing")

CONTEXT = ("TRACEPARENT", "TRACESTATE")
FLUSH_SECONDS = 2.0
"""How long a process waits at its end for a collector that does not answer."""
NOISY = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal", "opentelemetry.sdk.trace.export")
"""Loggers that warn at each attempt; `Spans.close` says once what came of them."""


class Spans:
    """Makes the spans of one process, and sends them in the background.

    Args:
        service: `service.name`, where OTEL_SERVICE_NAME names none.
    """

    def __init__(self, service: str) -> None:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        attributes = {
            "service.name": os.environ.get("OTEL_SERVICE_NAME") or service,
            "service.version": os.environ.get("TIDEWHEEL_CODE_VERSION") or tidewheel.__version__,
        }
        self._exporter = _Exporter()
        # At the process's exit it would wait for half a minute: `close` waits for less.
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("tidewheel")

    @contextmanager
    def first(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        """The span of the process, below the one that its environment names."""
        carrier = {variable.lower(): os.environ[variable] for variable in CONTEXT if variable in os.environ}
        with self.span(name, attributes, TraceContextTextMapPropagator().extract(carrier)):
            for variable, value in current_context().items():
                if variable == CONTEXT[0]:  # lines of other threads have no current span
                    _, trace_id, span_id, _ = value.split("-")
                    describe(trace_id=trace_id, span_id=span_id)
            yield

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | float], context: Context | None = None) -> Iterator[None]:
        """A span. A failure is noted by its kind alone: its message may hold a value of a row."""
        with self._tracer.start_as_current_span(
            name, context, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                if not (isinstance(error, SystemExit) and error.code in (None, 0)):
                    span.set_status(StatusCode.ERROR)
                    span.set_attribute("error.type", type(error).__name__)
                    if isinstance(error, SystemExit) and isinstance(error.code, int):
                        span.set_attribute("process.exit.code", error.code)
                raise

    def close(self) -> None:
        """Send what waits, as far as the collector takes it within `FLUSH_SECONDS`."""
        # Neither the SDK's flush nor its shutdown keeps to a time of ours.
        sending = threading.Thread(target=self._provider.force_flush, daemon=True, name="last spans")
        sending.start()
        sending.join(FLUSH_SECONDS)
        address = next(filter(None, map(os.environ.get, ADDRESSES)))
        if sending.is_alive():
            log.warning("the last spans were not sent: %s did not answer within %g s", address, FLUSH_SECONDS)
        elif self._exporter.failed:
            log.warning("%d spans were not sent: %s did not take them", self._exporter.failed, address)


class _Exporter(OTLPSpanExporter):
    """Counts the spans that were not taken."""

    failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failed += len(spans)
        return result


def current_context() -> dict[str, str]:
    """The current span, as the variables in which a child process or a pod continues it."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name.upper(): value for name, value in carrier.items()}
