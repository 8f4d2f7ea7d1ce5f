"""Steps that wait for one another."""

from __future__ import annotations

import threading

import pytest

from infra.embedded.startup import Cancelled, Quiet, StartupStep, Waiting, run_steps
from tidewheel.errors import PlatformError


def test_a_step_runs_after_what_it_needs_and_beside_what_it_does_not_need() -> None:
    order: list[str] = []
    both = threading.Barrier(2, timeout=10)

    def meet(_: Waiting) -> None:
        both.wait()

    steps = [
        StartupStep("last", lambda _: order.append("last"), ("left", "right", "left out")),
        StartupStep("left", meet, ("first",)),
        StartupStep("right", meet, ("first",)),
        StartupStep("first", lambda _: order.append("first")),
    ]
    run_steps(steps, Quiet())
    assert order == ["first", "last"]


def test_the_first_error_ends_the_others_and_is_the_one_that_is_told() -> None:
    ended: list[str] = []
    waits = threading.Event()

    def fail(_: Waiting) -> None:
        waits.wait(10)
        raise PlatformError("no disk")

    def wait_forever(waiting: Waiting) -> None:
        waits.set()
        try:
            waiting.until(lambda: "never comes", timeout=60)
        except Cancelled:
            ended.append(waiting.step)
            raise

    steps = [
        StartupStep("fails", fail),
        StartupStep("waits", wait_forever),
        StartupStep("later", lambda _: ended.append("later"), ("fails",)),
    ]
    with pytest.raises(PlatformError, match="no disk"):
        run_steps(steps, Quiet())
    assert ended == ["waits"]


def test_waiting_says_for_what_and_ends_with_it_when_the_time_is_over() -> None:
    reasons: list[str] = []

    class Heard(Quiet):
        def waiting(self, step: str, why: str) -> None:
            reasons.append(f"{step}: {why}")

    report = Heard()
    waiting = Waiting("mlflow", report, threading.Event())
    assert waiting.until(lambda: "connection refused", timeout=0.01) == "connection refused"
    assert reasons[0] == "mlflow: connection refused"
    assert waiting.until(lambda: "", timeout=0.0) == ""
