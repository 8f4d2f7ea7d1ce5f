"""The faults that `benchmarks.faults` plays: what is done to a small platform, and what came of it."""

from __future__ import annotations

import os
import resource
import signal
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import httpx

from benchmarks.small_platform import SmallPlatform
from infra.embedded import services
from infra.embedded.layout import Layout
from infra.embedded.supervisor import Supervisor
from jobs.data.request_log import RequestLog
from tests.infra.local.deadly import release_and_die
from tidewheel.errors import ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.polling import poll

BAKE_SECONDS, LONG_BAKE_SECONDS = 3.0, 30.0
FULL_SECONDS, FULL_BYTES = 3.0, 1024
"""How long the disk is full, and how large a file may be then."""
DEADLINE_SECONDS, GONE_SECONDS, POLL_SECONDS = 180.0, 1.0, 0.02
LONGEST_REASON = 150


@dataclass(frozen=True)
class Outcome:
    """What came of a fault.

    Attributes:
        sentence: in words.
        seconds: until all was well again; None where only the requests that were lost tell that.
    """

    sentence: str
    seconds: float | None = None


def ill_version(found: SmallPlatform, version: str) -> Outcome:
    """Release an ill version; where and why it was taken back."""

    def scores(wanted: str, since: datetime, until: datetime) -> list[float]:
        return RequestLog(found.settings, found.pipeline.name).scores(wanted, since, until)

    try:
        found.release(version, LONG_BAKE_SECONDS, scores)
    except ReleaseError:
        return Outcome(_taken_back(found))
    found.release("1", BAKE_SECONDS)
    return Outcome("**released**")


def killed(found: SmallPlatform, program: Callable[[SmallPlatform], str]) -> Outcome:
    """Kill a supervised process, and wait until the endpoint answers again."""
    _kill(found, program(found))
    return Outcome("started again by its supervisor")


def killed_during(found: SmallPlatform, stage: str, program: Callable[[SmallPlatform], str]) -> Outcome:
    """Kill a supervised process while a release is in a stage; what became of the release."""
    version, executor = found.other_version, found.executor(BAKE_SECONDS)
    number = executor.begin(version, "benchmark").number
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(executor.run, number)
        _wait_until(lambda: running.done() or found.has_begun(number, stage))
        _kill(found, program(found))
        error = running.exception(DEADLINE_SECONDS)
    if error is None:
        return Outcome(f"the release goes on: version {version} answers")
    if found.releases.get(number).status == Status.RUNNING:
        executor.run(number)
        return Outcome(f"the release stops, and the next process goes on: version {version} answers")
    return Outcome(_taken_back(found))


def executor_killed(found: SmallPlatform, stage: str) -> Outcome:
    """Kill the process that releases when a stage has done its work; another one goes on."""
    version, executor = found.other_version, found.executor(BAKE_SECONDS)
    code = release_and_die(found.settings, found.baking(BAKE_SECONDS), found.artifacts, version, stage)
    assert code == -signal.SIGKILL, code
    began = time.monotonic()
    executor.run(executor.begin(version, "somebody else").number)
    return Outcome(f"the next process goes on from there: version {version} answers", time.monotonic() - began)


def disk_full(found: SmallPlatform) -> Outcome:
    """Let no file of the live colour grow for a while."""
    pid = Supervisor(Layout(found.settings.home)).status(live_colour(found)).pid
    before, limits = _not_logged(found), resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_BYTES, limits[1]))
    _wait_until(lambda: _not_logged(found) > before)
    time.sleep(FULL_SECONDS)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    return Outcome(f"all are answered; {_not_logged(found) - before:.0f} are not logged, and counted as such")


def live_colour(found: SmallPlatform) -> str:
    """The program that answers."""
    return f"{found.pipeline.name}-{found.live.colour}"


def envoy(found: SmallPlatform) -> str:
    """The program of the router."""
    return services.ENVOY


def shortened(reason: str) -> str:
    """A reason in a line of a table; of a log, its last line."""
    first, *rest = reason.strip().splitlines()
    if rest:
        first = f"{first.partition(';')[0]}: {rest[-1]}"
    return textwrap.shorten(first, LONGEST_REASON, placeholder=" …").replace("|", "\\|")


def _kill(found: SmallPlatform, program: str) -> None:
    os.kill(Supervisor(Layout(found.settings.home)).status(program).pid, signal.SIGKILL)
    gone_by = time.monotonic() + GONE_SECONDS
    # Where requests go elsewhere by then, callers never see it gone.
    _wait_until(lambda: not _answers(found) or time.monotonic() > gone_by)
    _wait_until(lambda: _answers(found))


def _wait_until(true: Callable[[], bool]) -> None:
    if not any(true() for _ in poll(DEADLINE_SECONDS, every=POLL_SECONDS)):
        raise TimeoutError(f"not within {DEADLINE_SECONDS:g} s")


def _taken_back(found: SmallPlatform) -> str:
    newest = found.releases.newest(found.pipeline.name)[0]
    last = found.releases.stages(newest.id)[-1]
    seconds, reason = last.detail["back_after_seconds"], str(last.detail["sentence"])
    return f"taken back in `{last.name}`, the router after {seconds:.2f} s: {shortened(reason)}"


def _answers(found: SmallPlatform) -> bool:
    try:
        return httpx.get(f"{found.backend.endpoint()}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _not_logged(found: SmallPlatform) -> float:
    """Requests that the live colour could not log for want of room."""
    page = httpx.get(f"{found.backend.endpoint()}/metrics", timeout=5, trust_env=False).text
    name = 'tidewheel_log_dropped_requests_total{reason="disk"}'
    return next((float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name)), 0.0)
