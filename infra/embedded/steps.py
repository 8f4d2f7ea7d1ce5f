"""Run steps that wait for one another, each as soon as what it needs is done, and stop them all when one fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from tidewheel.errors import PlatformError
from tidewheel.polling import poll

POLL_SECONDS = 0.4


class Report(Protocol):
    """Whoever wants to know how it goes: the command line shows it, a test may ignore it."""

    def note(self, sentence: str) -> None:
        """Something worth a line of its own happened."""

    def begin(self, step: str) -> None:
        """A step has begun."""

    def waiting(self, step: str, why: str) -> None:
        """A step waits, and for what."""

    def done(self, step: str, seconds: float) -> None:
        """A step is done."""


class Quiet:
    """A report that nobody reads."""

    def note(self, sentence: str) -> None:
        """Ignore it."""

    def begin(self, step: str) -> None:
        """Ignore it."""

    def waiting(self, step: str, why: str) -> None:
        """Ignore it."""

    def done(self, step: str, seconds: float) -> None:
        """Ignore it."""


class Cancelled(PlatformError):
    """Another step failed, or the user interrupted."""


@dataclass(frozen=True)
class Waiting:
    """How a step waits: it says for what, and gives up when the others do."""

    step: str
    report: Report
    cancelled: threading.Event

    def until(self, missing: Callable[[], str], timeout: float) -> str:
        """Wait until nothing is missing.

        Args:
            missing: says what is still missing, an empty string when nothing is.
            timeout: seconds.

        Returns:
            What is missing still when the time is over, an empty string when all is there.

        Raises:
            Cancelled: another step failed, or the user interrupted.
        """
        why = ""

        def pause(seconds: float) -> None:
            self.report.waiting(self.step, why)
            if self.cancelled.wait(seconds):
                raise Cancelled(f"{self.step} was cancelled")

        for _ in poll(timeout, every=POLL_SECONDS, pause=pause):
            if not (why := missing()):
                break
        return why


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        name: what it is called.
        run: does it; returns once it is truly done.
        needs: names of the steps that must be done before; unknown names are ignored, so that a step can be left out.
    """

    name: str
    run: Callable[[Waiting], None]
    needs: tuple[str, ...] = ()


def run_steps(steps: Sequence[Step], report: Report) -> None:
    """Run all steps, those that can at the same time.

    Raises:
        TidewheelError: the first error of a step; the others have been cancelled.
        KeyboardInterrupt: the user interrupted; all steps have been cancelled.
    """
    names = {step.name for step in steps}
    to_do, done = list(steps), set[str]()
    running: dict[Future[None], str] = {}
    cancelled = threading.Event()
    with ThreadPoolExecutor(max_workers=len(steps)) as pool:
        try:
            while to_do or running:
                for step in [step for step in to_do if done >= names.intersection(step.needs)]:
                    to_do.remove(step)
                    running[pool.submit(_run, step, Waiting(step.name, report, cancelled))] = step.name
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done.add(running.pop(future))
                    future.result()
        finally:
            # Leaving the pool waits for its threads: tell them first.
            cancelled.set()


def _run(step: Step, waiting: Waiting) -> None:
    began = time.monotonic()
    waiting.report.begin(step.name)
    step.run(waiting)
    waiting.report.done(step.name, time.monotonic() - began)
