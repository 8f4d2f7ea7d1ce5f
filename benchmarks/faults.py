"""What happens when something goes wrong around a release: plays each fault under load and writes `docs/faults.md`.

    python -m benchmarks.faults [page]

The processes are those of `benchmarks.release`; a second process asks 200 times a second meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import httpx

from benchmarks.release import Answer, Asking, Stage, release, stage
from infra.embedded import router
from infra.embedded.layout import Layout
from infra.embedded.supervise import Supervisor
from tests.infra.local.deadly import release_and_die
from tidewheel.errors import ReleaseError
from tidewheel.ledger.tables import EndpointRow
from tidewheel.release import stage_names

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"
SETTLING_SECONDS = 1.5
BAKE_SECONDS = 4.0
REFUSED = {
    "it lacks a library": "3",
    "it answers otherwise than offline": "4",
    "it answers 300 ms late": "slow from the start",
    "it scores everything 0.5": "constant",
    "it answers callers 300 ms late, golden rows in time": "slow",
    "it fails 5% of the callers' requests": "errs",
    "it dies at every 150th request": "crashes",
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        fault: what went wrong.
        happened: what came of it.
        lost: requests that got no good answer, of how many.
        recovery: seconds from the first of them to the last; None where none was lost.
    """

    fault: str
    happened: str
    lost: int
    of: int
    recovery: float | None

    def __str__(self) -> str:
        seconds = "" if self.recovery is None else f"{self.recovery:.1f}"
        return f"| {self.fault} | {self.happened} | {self.lost} of {self.of:,} | {seconds} |"


def play(found: Stage, folder: Path) -> Iterator[Row]:
    """One fault after another; before each, version 1 answers."""
    release(found.executor(BAKE_SECONDS), "1")
    for fault, version in REFUSED.items():
        yield watched(found, folder, f"A new version: {fault}", partial(refused, found, version))
    yield watched(
        found, folder, "`kill -9` of the live colour", partial(killed, found, f"orders-{endpoint(found).colour}")
    )
    yield watched(found, folder, "`kill -9` of Envoy", partial(killed, found, router.NAME))
    for name in stage_names(found.baking(BAKE_SECONDS))[1:]:
        fault = f"`kill -9` of the executor in `{name}`"
        yield watched(found, folder, fault, partial(executor_killed, found, name))


def watched(found: Stage, folder: Path, fault: str, act: Callable[[], str]) -> Row:
    """Play one fault under load, and count what it cost."""
    sys.stdout.write(f"{fault}\n")
    with Asking(found.backend.endpoint(), folder / "answers.jsonl") as asking:
        time.sleep(SETTLING_SECONDS)
        happened = act()
        time.sleep(SETTLING_SECONDS)
    lost = [answer for answer in asking.answers() if answer.failure]
    row = Row(fault, happened, len(lost), len(asking.answers()), _between(lost))
    sys.stdout.write(f"  {row}\n")
    return row


def refused(found: Stage, version: str) -> str:
    """Release an ill version; where and why it was taken back."""
    try:
        release(found.executor(30), version)
    except ReleaseError:
        row = found.releases.newest("orders")[0]
        last = found.releases.stages(row.id)[-1]
        back = last.detail["back_after_seconds"]
        sentence = " ".join(str(last.detail["sentence"]).split())
        sentence = sentence if len(sentence) <= 200 else f"{sentence[:120]} … {sentence[-70:]}"
        return f"taken back in `{last.name}`, all requests on the old version {back} s later: {sentence}"
    return "**released**"


def killed(found: Stage, program: str) -> str:
    """Kill a supervised process, and wait until the endpoint answers again."""
    os.kill(Supervisor(Layout(found.settings.home)).status(program).pid, signal.SIGKILL)
    began = time.monotonic()
    time.sleep(0.3)
    while not answers(found):
        time.sleep(0.05)
    return f"started again by its supervisor, answers after {time.monotonic() - began:.1f} s"


def executor_killed(found: Stage, name: str) -> str:
    """Kill the process that releases when a stage has done its work; another one goes on."""
    version = "2" if endpoint(found).version == "1" else "1"
    executor, pipeline = found.executor(BAKE_SECONDS), found.baking(BAKE_SECONDS)
    code = release_and_die(found.settings, pipeline, found.artifacts, version, name)
    assert code == -signal.SIGKILL, code
    began = time.monotonic()
    executor.run(executor.begin(version, "somebody else").number)
    return f"resumed by the next process, done {time.monotonic() - began:.1f} s later; version {version} answers"


def answers(found: Stage) -> bool:
    """Whether the endpoint is ready."""
    try:
        return httpx.get(f"{found.backend.endpoint()}/readyz", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def endpoint(found: Stage) -> EndpointRow:
    """What answers, by the ledger."""
    row = found.releases.endpoint("orders")
    assert row is not None
    return row


def _between(lost: list[Answer]) -> float | None:
    return lost[-1].at + lost[-1].milliseconds / 1000 - lost[0].at if lost else None


def main(page: Path) -> None:
    """Play all faults and write the page."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as found:
        rows = list(play(found, Path(folder)))
    lines = [
        "# Faults",
        "",
        "What goes wrong around a release, what came of it, and what callers noticed: 200 requests a second, over kept",
        f"and fresh connections. Written by `python -m benchmarks.faults` on {datetime.now(UTC):%Y-%m-%d}, two cores",
        f"with other work beside it (load {os.getloadavg()[1]:.0f}). *Seconds* are from the first lost request to the",
        "last. A version whose illness only callers bring out costs requests until the guard has seen enough of them.",
        "",
        "| Fault | What happened | Requests lost | Seconds |",
        "|---|---|---:|---:|",
        *map(str, rows),
        "",
    ]
    page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE)
