"""Twenty releases in a row under load, a version that errs, and a rollback by hand: requests lost, times, seconds back.

    python -m benchmarks.release [number of switches]

Real processes of its own: PostgreSQL, supervisord, Envoy and BentoML services of two small models. A second process
asks 200 times a second, three quarters over reused connections, the others over a fresh one each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from benchmarks.callers import Answer, asking
from benchmarks.small_platform import SmallPlatform, small_platform
from tidewheel.errors import ReleaseError

QUIET_SECONDS = 10.0
SETTLING_SECONDS = 1.0
"""Before and after a switch: what happens here is put down to it."""


def main(switches: int) -> None:
    """Play, and print what came of it."""
    with small_platform() as found:
        found.release("1", bake_seconds=1)
        with asking(found.backend.endpoint()) as answers:
            time.sleep(QUIET_SECONDS)
            quiet = (time.time() - QUIET_SECONDS + SETTLING_SECONDS, time.time())
            numbers = [found.release(found.other_version, bake_seconds=1) for _ in range(switches)]
            over = time.time()
            breach = failing_release(found)
            by_hand = rollback_by_hand(found)
        report(found, answers, quiet, over, numbers)
        sys.stdout.write(f"\n{breach}\n{by_hand}\n")


def failing_release(found: SmallPlatform) -> str:
    """Release a version that errs on 5% of the requests; what the guard did."""
    with suppress(ReleaseError):
        found.release("errs", bake_seconds=30)
    row = found.releases.newest("orders")[0]
    last = found.releases.stages(row.id)[-1]
    assert last.ended_at is not None
    seconds = (last.ended_at - last.started_at).total_seconds()
    return (
        f"a version that errs on 5%: taken back in {last.name} after {seconds:.1f} s; from the close of the window to "
        f"the router's acknowledgement {last.detail.get('back_after_seconds')} s\n  {row.reason}"
    )


def rollback_by_hand(found: SmallPlatform) -> str:
    """Have the command take a bake back; seconds from its start until the endpoint is answered by the old version."""
    old, executor = found.live.version, found.executor(60)
    number = executor.begin(found.other_version, "benchmark").number
    variables = {
        "TIDEWHEEL_HOME": str(found.settings.home),
        "TIDEWHEEL_PROJECT": str(found.settings.project),
        "TIDEWHEEL_ENDPOINT_URL": found.settings.endpoint_url,
        "TIDEWHEEL_ENVOY_ADMIN_URL": found.settings.envoy_admin_url,
        "TIDEWHEEL_DATABASE_URL": found.settings.require("database_url"),
    }
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(executor.run, number)
        while not found.has_begun(number, "bake"):
            time.sleep(0.05)
        started = time.monotonic()
        # Its second half, which moves the registry's alias, finds no registry here.
        command = [str(Path(sys.executable).parent / "tidewheel"), "rollback", "orders", "--reason", "benchmark"]
        asked = subprocess.Popen(
            command, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while found.answering() != old:
            time.sleep(0.01)
        seconds = time.monotonic() - started
        said = asked.communicate()[0].splitlines()[0]
        with suppress(ReleaseError):
            running.result()
    return f"`tidewheel rollback` in a bake: the old version answers {seconds:.2f} s after the command began\n  {said}"


def report(
    found: SmallPlatform, answers: list[Answer], quiet: tuple[float, float], over: float, numbers: list[int]
) -> None:
    """Print requests lost and times: during the switches, outside them, and before the first release."""
    switches = []
    durations = []
    for number in numbers:
        stages = {row.name: row for row in found.releases.stages(number)}
        switch, confirm = stages["switch"], stages["confirm"]
        assert confirm.ended_at is not None
        switches.append((_seconds(switch.started_at) - SETTLING_SECONDS, _seconds(confirm.ended_at) + SETTLING_SECONDS))
        durations.append((confirm.ended_at - switch.started_at).total_seconds())
    counted = [answer for answer in answers if answer.at < over]
    inside = [a for a in counted if any(first <= a.at <= last for first, last in switches)]
    outside = [a for a in counted if a.at >= quiet[1] and not any(first <= a.at <= last for first, last in switches)]
    before = [a for a in counted if quiet[0] <= a.at < quiet[1]]
    failures = Counter(answer.failure for answer in counted if answer.failure)
    rate = len(counted) / (counted[-1].at - counted[0].at)
    sys.stdout.write(
        f"{len(numbers)} switches, {len(counted)} requests at {rate:.0f} a second, {failures.total()} failed\n"
        f"a switch and its confirmation: {statistics.median(durations):.2f} s (median)\n"
    )
    for failure, count in failures.most_common(5):
        sys.stdout.write(f"  {count} times {failure}\n")
    for name, some in (
        ("before the first release", before),
        ("outside switches", outside),
        ("during switches", inside),
    ):
        times = sorted(answer.milliseconds for answer in some)
        p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
        sys.stdout.write(f"{name}: {len(times)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms\n")


def _seconds(at: datetime) -> float:
    return at.timestamp()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
