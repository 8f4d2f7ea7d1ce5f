"""What happens when something goes wrong around a release: plays each fault under load and writes `docs/faults.md`.

    python -m benchmarks.faults [page]

Takes minutes. The processes are those of `benchmarks.release`; another one asks 200 times a second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from benchmarks.callers import Answer, asking
from benchmarks.injected_faults import (
    BAKE_SECONDS,
    Outcome,
    disk_full,
    envoy,
    executor_killed,
    ill_version,
    killed,
    killed_during,
    live_colour,
    shortened,
)
from benchmarks.small_platform import SmallPlatform, small_platform
from tidewheel.errors import TidewheelError
from tidewheel.release import stage_names

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
SETTLING_SECONDS = 1.0
ILL = {
    "it lacks a library": "3",
    "it starts, and crashes in its warm-up": "dies",
    "it answers otherwise than offline": "4",
    "it answers 300 ms late": "slow from the start",
    "it scores everything 0.5": "constant",
    "it answers callers 300 ms late, golden rows in time": "slow",
    "it fails 5% of the callers' requests": "errs",
    "it scores callers 0.5, golden rows rightly": "constant to callers",
    "it dies at every 150th request": "crashes",
}
STRUCK = ("warm_up", "switch", "confirm", "bake", "drain")
"""Stages in which the live colour and Envoy are killed."""
ATTACKS = "## Attacks on the endpoint"
HEADING = """\
# Faults

What goes wrong around a release, what came of it, and what callers noticed: 200 requests a second, three quarters over
reused connections, the others over a fresh one each. A new version bakes {bake:g} s here.

*Seconds* are from the first lost request to the last; where none was lost, from when the next process takes over to
the end of the release. A version whose illness only callers bring out costs requests until the guard has seen enough
of them. After each fault, router, ledger and the version in a caller's answer agreed, where the line says nothing else.

`python -m benchmarks.faults`, {date}: {minutes:.1f} minutes on two cores, whose load was {load:.1f} before.

| Fault | What happened | Requests lost | Seconds |
|---|---|---:|---:|
"""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        fault: what went wrong.
        happened: what came of it.
        lost: requests that got no good answer.
        of: requests in all.
        seconds: until all was well again; None where nothing had to recover.
    """

    fault: str
    happened: str
    lost: int
    of: int
    seconds: float | None

    def __str__(self) -> str:
        seconds = "" if self.seconds is None else f"{self.seconds:.1f}"
        return f"| {self.fault} | {self.happened} | {self.lost} of {self.of:,} | {seconds} |"


def play(found: SmallPlatform) -> Iterator[Row]:
    """One fault after another."""
    found.release("1", BAKE_SECONDS)
    for illness, version in ILL.items():
        yield watched(found, f"A new version: {illness}", partial(ill_version, found, version))
    struck = {"the live colour": live_colour, "Envoy": envoy}
    for name, program in struck.items():
        yield watched(found, f"`kill -9` of {name}", partial(killed, found, program))
    for stage in STRUCK:
        for name, program in struck.items():
            act = partial(killed_during, found, stage, program)
            yield watched(found, f"`kill -9` of {name} in `{stage}`", act)
    for stage in stage_names(found.baking(BAKE_SECONDS))[1:]:
        yield watched(found, f"`kill -9` of the executor in `{stage}`", partial(executor_killed, found, stage))
    yield watched(found, "A full disk below the prediction log", partial(disk_full, found))


def watched(found: SmallPlatform, fault: str, act: Callable[[], Outcome]) -> Row:
    """Play one fault under load, and count what it cost."""
    sys.stdout.write(f"{fault}\n")
    with asking(found.backend.endpoint()) as answers:
        time.sleep(SETTLING_SECONDS)
        try:
            outcome = act()
        except (
            TidewheelError,
            TimeoutError,
            AssertionError,
        ) as error:  # it stands in the table, and the other faults are played
            outcome = Outcome(f"**unexpected: {shortened(str(error))}**")
        time.sleep(SETTLING_SECONDS)
    lost = [answer for answer in answers if answer.failure]
    seconds = between(lost) if lost else outcome.seconds
    row = Row(fault, f"{outcome.sentence}{left_apart(found)}", len(lost), len(answers), seconds)
    sys.stdout.write(f"  {row}\n")
    return row


def left_apart(found: SmallPlatform) -> str:
    """What router, ledger and a caller's answer disagree about; empty where they agree."""
    try:
        apart = [str(repair) for repair in found.executor(BAKE_SECONDS).differences(None)]
        if (says := found.answering()) != found.live.version:
            apart.append(f"version {says} answers, and the ledger says {found.live.version}")
    except (TidewheelError, httpx.HTTPError) as error:
        apart = [shortened(str(error))]
    return f"; **left apart: {'; '.join(apart)}**" if apart else ""


def between(lost: list[Answer]) -> float:
    """Seconds from the first lost request to the last."""
    return lost[-1].at + lost[-1].milliseconds / 1000 - lost[0].at


def main(page: Path) -> None:
    """Play all faults and write the page."""
    load, began = os.getloadavg()[0], time.monotonic()
    with small_platform() as found:
        rows = list(play(found))
    minutes = (time.monotonic() - began) / 60
    heading = HEADING.format(bake=BAKE_SECONDS, date=f"{datetime.now(UTC):%Y-%m-%d}", minutes=minutes, load=load)
    # The attacks have a program of their own, which writes the end of the page.
    _, title, attacks = page.read_text(encoding="utf-8").partition(ATTACKS) if page.exists() else ("", "", "")
    rest = f"\n{title}{attacks}" if title else ""
    page.write_text(heading + "".join(f"{row}\n" for row in rows) + rest, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE)
