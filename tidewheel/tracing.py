"""Spans of a process and its steps, sent to the OpenTelemetry Collector that the standard OTEL_* variables name.

Without these variables nothing of OpenTelemetry is imported. What started the process continues in it: a task of
Airflow's hands its context down in the variable TRACEPARENT, as a shell or a CI system may do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.spans import Spans

ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SECRET_SUFFIX = "_HEADERS"  # noqa: S105  the end of a variable's name
"""Of variables that may hold the key of a collector."""

_spans: Spans | None = None


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether spans are sent: a collector is named, and no variable says that there shall be none."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in ADDRESSES)


def variables_for_pods(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a pod's specification may show of the variables that set up tracing."""
    return {
        name: value
        for name, value in sorted(environment.items())
        if name.startswith("OTEL_") and not name.endswith(SECRET_SUFFIX)
    }


def context_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables in which a child process or a pod continues the current span; empty where there is none."""
    if not is_on(environment):
        return {}
    from tidewheel.spans import current_context

    return current_context()


@contextmanager
def process_span(name: str, service: str, attributes: Mapping[str, str]) -> Iterator[None]:
    """A span for all that a process does, below the one that TRACEPARENT names, and sent before the process ends.

    Args:
        name: of the span.
        service: `service.name`, where OTEL_SERVICE_NAME names none.
        attributes: of the span.
    """
    global _spans
    if not is_on():
        yield
        return
    from tidewheel.spans import Spans

    _spans = Spans(service)
    try:
        with _spans.first(name, attributes):
            yield
    finally:
        spans, _spans = _spans, None
        spans.close()


@contextmanager
def step(name: str, **attributes: str | float) -> Iterator[None]:
    """A span for one step of the process, such as `read` or `fit`; nothing where the process is not traced."""
    if _spans is None:
        yield
        return
    with _spans.span(name, {f"tidewheel.{key}": value for key, value in attributes.items()}):
        yield
