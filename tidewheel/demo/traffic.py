"""Requests to an endpoint while something happens behind it, and what became of each."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from types import TracebackType

import httpx

from tidewheel.http_client import http_client

TIMEOUT_SECONDS = 10


@dataclass
class TrafficReport:
    """What a stretch of traffic saw."""

    sent: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Requests that got no good answer."""
        return self.failures.total()

    def percentile(self, percent: int) -> float:
        """Latency in milliseconds that `percent` of the requests stayed below; NaN for fewer than two requests."""
        if len(self.milliseconds) < 2:
            return float("nan")
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]


class RequestStream:
    """Sends rows to an endpoint, half over one persistent connection and half over a fresh one each, until it is left.

    Args:
        url: the predict address.
        rows: request rows, sent in turn.
        per_second: requests per second, both kinds together.
    """

    def __init__(self, url: str, rows: Sequence[Mapping[str, object]], per_second: float) -> None:
        self.url = url
        self.rows = rows
        self.pause = 2 / per_second
        self.report = TrafficReport()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(fresh,), daemon=True) for fresh in (False, True)]

    def __enter__(self) -> TrafficReport:
        for thread in self._threads:
            thread.start()
        return self.report

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS + 1)

    def _send(self, fresh: bool) -> None:
        headers = {"connection": "close"} if fresh else {}
        with http_client(seconds=TIMEOUT_SECONDS, headers=headers) as client:
            for row in itertools.cycle(self.rows):
                started = time.perf_counter()
                try:
                    answer = client.post(self.url, json={"rows": [row]})
                    answer.raise_for_status()
                    outcome, failure = str(answer.json()["model_version"]), None
                except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
                    outcome, failure = "", f"{type(error).__name__}: {error}"
                elapsed = time.perf_counter() - started
                self._note(outcome, failure, elapsed * 1000)
                if self._over.wait(max(0.0, self.pause - elapsed)):
                    return

    def _note(self, version: str, failure: str | None, milliseconds: float) -> None:
        with self._lock:
            self.report.sent += 1
            if failure is not None:
                self.report.failures[failure] += 1
                return
            self.report.versions[version] += 1
            self.report.milliseconds.append(milliseconds)
