"""What an attack costs a running service, and its other callers meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

if TYPE_CHECKING:
    from tests.bentos.attacks import Attack
    from tests.bentos.service_process import Service

WATCH_SECONDS = 0.01
ASK_SECONDS = 0.005
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What came of some requests of one kind.

    Attributes:
        statuses: their answers'.
        answer_bytes: length of the longest answer.
        seconds: of the slowest.
        megabytes: by which the service and its processes together grew at most.
        others: milliseconds that one-row requests took meanwhile.
    """

    statuses: frozenset[int]
    answer_bytes: int
    seconds: float
    megabytes: float
    others: list[float]

    @property
    def p99(self) -> float:
        """Milliseconds that one of a hundred other requests exceeded."""
        return sorted(self.others)[int(len(self.others) * 0.99)]


@dataclass
class Meter:
    """Watches a service from its own threads until it is left.

    Attributes:
        service: receives requests of one row, one after another.
        row: that row.
        others: milliseconds that this took.
        peak: most bytes that its processes held together.
    """

    service: Service
    row: dict[str, Any]
    others: list[float] = field(default_factory=list)
    peak: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Meter:
        self._process = psutil.Process(self.service.process.pid)
        # From now on the kernel's own high-water mark is of this attack.
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        self.before = self._held()
        self._threads = [threading.Thread(target=self._watch), threading.Thread(target=self._ask)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(WATCH_SECONDS):
            self.peak = max(self.peak, self._held())

    def _held(self) -> int:
        return sum(_high_water(each.pid) for each in (self._process, *self._process.children()))

    def _ask(self) -> None:
        with httpx.Client(base_url=self.service.client.base_url, timeout=60, trust_env=False) as client:
            while not self._over.wait(ASK_SECONDS):
                started = time.perf_counter()
                answer = client.post("/predict", json={"rows": [self.row]})
                self.others.append((time.perf_counter() - started) * 1000)
                assert answer.status_code == 200, answer.text


def attacked(
    service: Service, row: dict[str, Any], attack: Attack | None, seconds: float = 0.0, at_least: int = 1
) -> Cost:
    """Send one attack again and again, as soon as it is answered.

    Args:
        service: the service.
        row: that the other callers send.
        attack: what is sent; None: nothing, to see how long the others take in quiet.
        seconds: for how long.
        at_least: requests that are sent even if that takes longer.
    """
    body = attack.build() if attack else b""
    statuses, longest, slowest = set[int](), 0, 0.0
    with Meter(service, row) as meter:
        begun, sent = time.perf_counter(), 0
        while sent < at_least or time.perf_counter() - begun < seconds:
            started = time.perf_counter()
            sent += 1
            if attack is None:
                time.sleep(seconds)
                continue
            headers = {"content-type": attack.content_type, **attack.headers}
            answer = service.client.post("/predict", content=body, headers=headers)
            statuses.add(answer.status_code)
            longest = max(longest, len(answer.content))
            slowest = max(slowest, time.perf_counter() - started)
    grown = (meter.peak - meter.before) / MEGABYTE
    return Cost(frozenset(statuses), longest, slowest, grown, meter.others)


def _high_water(pid: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10
    return 0
