"""`tidewheel load`'s requests at a constant rate, from a process of their own, for as long as a block runs."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Any, Self

from jobs.load.arrivals import Arrivals, LoadResult, Plan, RequestOutcome
from jobs.load.connection import LoadTarget
from jobs.load.figures import Figures, figures, not_reached

LONGEST_SECONDS = 3600.0
START_SECONDS, LAST_ANSWER_SECONDS = 180.0, 60.0


class OpenLoop:
    """A load that begins with the block and ends with it.

    Args:
        url: of the pipeline's endpoint.
        bodies: of requests, sent in turn.
        rate: requests a second.
    """

    def __init__(self, url: str, bodies: Sequence[bytes], rate: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._over = context.Event()
        self._results, results = context.Pipe(duplex=False)
        arguments = (LoadTarget(url, {}), list(bodies), rate, self._over, results)
        self._process = context.Process(target=_send, args=arguments, daemon=True)
        self._began = 0.0

    def __enter__(self) -> Self:
        self._process.start()
        self._began = self._receive(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.played: LoadResult = self._receive(LAST_ANSWER_SECONDS)
        self._process.join()

    @property
    def figures(self) -> Figures:
        """Of the whole load; there once the block is left."""
        return figures(self.played)

    @property
    def not_reached(self) -> str:
        """Why the figures are not those of the rate; empty where they are."""
        return not_reached(self.played, self.figures)

    @property
    def versions(self) -> dict[str, int]:
        """How many requests each version answered."""
        return dict(Counter(one.answered_by[0] for one in self.played.outcomes if not one.error))

    def answered_at(self, outcome: RequestOutcome) -> float:
        """When a request was answered, in seconds since 1970."""
        return self._began + outcome.due + outcome.latency

    def _receive(self, seconds: float) -> Any:
        if not self._results.poll(seconds):
            self._process.kill()
            raise TimeoutError(f"the process that sends requests did not report within {seconds:g} s")
        return self._results.recv()


def _send(endpoint: LoadTarget, bodies: list[bytes], rate: float, over: Event, results: Connection) -> None:
    parent = os.getppid()

    def ended() -> bool:
        return over.is_set() or os.getppid() != parent  # nobody is left to end it

    results.send(time.time())
    results.send(asyncio.run(Arrivals(endpoint, bodies).play(Plan(rate, LONGEST_SECONDS), ended)))
