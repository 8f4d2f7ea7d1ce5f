"""Spans of a process: below its caller's, sent before it ends, and never in its way."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.log_lines import log_lines
from tests.otlp_receiver import Receiver, receiving
from tidewheel.tracing import is_on, variables_for_pods

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROGRAM = """
import logging, sys, time
from tidewheel.logs import configure
from tidewheel.tracing import process_span, step
configure()
log = logging.getLogger("tidewheel.x")
with process_span("job land", "tidewheel-jobs", {"tidewheel.pipeline": "orders"}):
    with step("read", day="2026-11-21"):
        log.info("reads")
    log.info("has read")
    if "sleep" in sys.argv:
        time.sleep(60)
    if "fail" in sys.argv:
        raise ValueError("a value of a row")
    sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {"TIDEWHEEL_LOG_FORMAT": "json", "TRACEPARENT": f"00-{TRACE}-{PARENT}-01", **variables}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_process_and_its_steps_are_below_the_span_that_started_it(receiver: Receiver) -> None:
    with start("0", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    job, step = receiver.named("job land"), receiver.named("read")
    assert (job.trace_id, job.parent_id, job.service) == (TRACE, PARENT, "tidewheel-jobs")
    assert (step.trace_id, step.parent_id) == (TRACE, job.span_id)
    assert (job.attributes, step.attributes) == ({"tidewheel.pipeline": "orders"}, {"tidewheel.day": "2026-11-21"})
    reads, has_read = log_lines(errors)
    assert (reads["trace_id"], reads["span_id"]) == (TRACE, step.span_id)
    assert (has_read["trace_id"], has_read["span_id"]) == (TRACE, job.span_id)


def test_a_callers_decision_not_to_sample_is_kept_to(receiver: Receiver) -> None:
    with start("0", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, TRACEPARENT=f"00-{TRACE}-{PARENT}-00") as process:
        process.communicate(timeout=60)
    assert (process.returncode, receiver.spans) == (0, [])


@pytest.mark.parametrize(("argument", "error", "code"), [("3", "SystemExit", 3), ("fail", "ValueError", 1)])
def test_a_failure_is_noted_by_its_kind_and_no_value_of_a_row(
    receiver: Receiver, argument: str, error: str, code: int
) -> None:
    with start(argument, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url) as process:
        process.communicate(timeout=60)
    assert process.returncode == code
    job = receiver.named("job land")
    assert job.failed
    assert job.attributes["error.type"] == error
    assert "a value of a row" not in str(receiver.requests)


def test_a_killed_process_loses_only_its_last_batch(receiver: Receiver) -> None:
    with start("sleep", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, OTEL_BSP_SCHEDULE_DELAY="50") as process:
        wait_until(lambda: bool(receiver.spans), "the first step is sent while the process is at work")
        process.send_signal(signal.SIGKILL)
    assert [span.name for span in receiver.spans] == ["read"]


def test_a_collector_that_does_not_answer_costs_two_seconds_and_a_warning() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://me:hidden-password@127.0.0.1:{silent.getsockname()[1]}"
        with start("0", OTEL_EXPORTER_OTLP_ENDPOINT=address) as process:
            assert process.stderr is not None
            process.stderr.readline()  # it has started
            began = time.monotonic()
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert time.monotonic() - began < 10  # on a busy machine; without a limit of ours it is 30
    *_, warning = log_lines(errors)
    assert warning["level"] == "warning"
    assert "did not answer within 2 s" in warning["message"]
    assert "hidden-password" not in errors


def test_without_the_variables_nothing_of_opentelemetry_is_imported() -> None:
    program = f"{PROGRAM.replace('sys.exit(', 'print(')}\nassert 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", program, "0"], env={}, check=True, capture_output=True)


def test_the_standards_switches_turn_traces_on_and_off() -> None:
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    assert is_on(on)
    assert is_on({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"})
    assert not is_on({})
    assert not is_on({"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    assert not is_on({**on, "OTEL_SDK_DISABLED": "True"})
    assert not is_on({**on, "OTEL_TRACES_EXPORTER": "none"})


def test_a_pods_specification_shows_no_key_of_a_collector() -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_HEADERS": "key=secret", "HOME": "/"}
    assert variables_for_pods(given) == {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}
