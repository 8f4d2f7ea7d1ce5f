"""Which callers' traces a service continues."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bentos.request_head import RequestHead
from bentos.tracing import Tracing, share_of_roots, unsampled

REQUESTS = 2_000
IDS = f"{0xA11CE:032x}-{0xB0B:016x}"


@pytest.mark.parametrize(
    ("parent", "says_so"),
    [
        (f"00-{IDS}-00", True),
        (f"00-{IDS}-02", True),
        (f"00-{IDS}-01", False),
        (f"00-{IDS}-03", False),
        ("", False),
        (f"00-{IDS}-0", False),
        (f"00-{IDS[1:]}-00", False),
        (f"zz-{IDS}-02", False),
    ],
)
def test_a_caller_that_has_not_sampled_its_trace_is_left_alone(parent: str, says_so: bool) -> None:
    assert unsampled(parent.encode()) is says_so


def tracing(monkeypatch: pytest.MonkeyPatch, share: str) -> Tracing:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", share)
    packaged = SimpleNamespace(pipeline="orders", version="3")
    return Tracing(SimpleNamespace(packaged=packaged, colour="blue"))  # type: ignore[arg-type]


def sampled(found: Tracing, headers: dict[bytes, bytes]) -> int:
    spans = (found.start(RequestHead("POST", headers, "request")) for _ in range(REQUESTS))
    return sum(span is not None and span.is_recording() for span in spans)


def test_of_requests_without_a_trace_the_share_is_sampled_and_the_rest_makes_no_span(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = tracing(monkeypatch, "0.25")
    assert 0.2 < sampled(found, {}) / REQUESTS < 0.3
    assert sampled(found, {b"traceparent": f"00-{IDS}-01".encode()}) == REQUESTS, "the caller decides"
    assert sampled(found, {b"traceparent": f"00-{IDS}-00".encode()}) == 0
    assert 0.2 < sampled(found, {b"traceparent": b"nonsense"}) / REQUESTS < 0.3, "no way around the share"
    assert sampled(tracing(monkeypatch, "0"), {}) == 0


@pytest.mark.parametrize(
    ("sampler", "argument", "share"),
    [
        ("parentbased_traceidratio", "0.01", 0.01),
        ("traceidratio", "0", 0.0),
        ("parentbased_traceidratio", None, 1.0),
        ("parentbased_always_on", "0.01", 1.0),
        ("parentbased_always_off", None, 0.0),
        ("jaeger_remote", None, None),
        ("parentbased_traceidratio", "often", None),
        (None, None, None),
    ],
)
def test_the_draw_comes_before_the_sdk(sampler: str | None, argument: str | None, share: float | None) -> None:
    given = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}
    assert share_of_roots({name: value for name, value in given.items() if value is not None}) == share
