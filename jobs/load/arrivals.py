"""Requests at a constant rate, whether or not earlier ones were answered: an open loop.

A latency counts from the moment at which a request should have been sent. So one that had to wait because all
connections were busy, or because this process was late, shows it: there is no coordinated omission
(G. Tene, "How NOT to Measure Latency").
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobs.load.connection import Broken, Connection, LoadTarget

MOST_CONNECTIONS = 400
"""Envoy's listener takes 500, and real callers want some of them."""
TIMEOUT_SECONDS = 10.0
TICK_SECONDS = 0.001
GOOD = 200
VERSION = re.compile(rb'"model_version": *"([^"]*)"')
COLOUR = re.compile(rb'"colour": *"([^"]*)"')


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Attributes:
        rate: requests a second.
        seconds: for how long.
    """

    rate: float
    seconds: float

    @property
    def requests(self) -> int:
        """How many, all in all."""
        return max(1, round(self.rate * self.seconds))

    def due(self, number: int) -> float:
        """When a request should be sent, in seconds from the start."""
        return number / self.rate


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What came of one request.

    Attributes:
        due: when it should have been sent, in seconds from the start.
        late: seconds by which this process was late to send it; waiting for a free connection is not counted here.
        latency: seconds from `due` to the whole answer, or to the failure.
        error: why there was no good answer, in a few words; empty where there was.
        answered_by: version and colour.
    """

    due: float
    late: float
    latency: float
    error: str = ""
    answered_by: tuple[str, str] = ("", "")


@dataclass
class LoadResult:
    """All outcomes, in no order, and how long sending took."""

    plan: Plan
    outcomes: list[RequestOutcome] = field(default_factory=list)
    sending_seconds: float = 0.0


class Arrivals:
    """Sends the requests of a plan.

    Args:
        endpoint: where to.
        bodies: of requests, taken in turns.
        connections: at most so many at the same time; a request beyond them waits for one to be free.
    """

    def __init__(self, endpoint: LoadTarget, bodies: Sequence[bytes], connections: int = MOST_CONNECTIONS) -> None:
        self._endpoint = endpoint
        self._wires = [endpoint.request(body) for body in bodies]
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(connections)

    async def play(self, plan: Plan, over: Callable[[], bool] = lambda: False) -> LoadResult:
        """Send everything, and wait for the last answer.

        Args:
            plan: what is sent.
            over: evaluated about once a millisecond; once it is true nothing more is sent, and the plan of what was
                played ends there.
        """
        played, started = LoadResult(plan), time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        number = 0
        while number < plan.requests:
            now = time.perf_counter() - started
            if over():
                played.plan = Plan(plan.rate, now)
                break
            while number < plan.requests and plan.due(number) <= now:
                task = asyncio.create_task(self._one(number, started, now, played))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                number += 1
            await asyncio.sleep(TICK_SECONDS)
        played.sending_seconds = time.perf_counter() - started
        if tasks:
            await asyncio.gather(*tasks)
        for connection in self._idle:
            connection.close()
        return played

    async def _one(self, number: int, started: float, begun: float, played: LoadResult) -> None:
        due = played.plan.due(number)
        error, by = "", ("", "")
        async with self._free:
            try:
                error, by = await self._ask(self._wires[number % len(self._wires)])
            except TimeoutError:
                error = f"no answer within {TIMEOUT_SECONDS:g} s"
            except Broken as broken:
                error = str(broken)
            except OSError as failure:
                error = failure.strerror or type(failure).__name__
        latency = time.perf_counter() - started - due
        played.outcomes.append(RequestOutcome(due, begun - due, latency, error, by))

    async def _ask(self, wire: bytes) -> tuple[str, tuple[str, str]]:
        while self._idle and not self._idle[-1].open:  # the other side has closed it meanwhile
            self._idle.pop()
        if self._idle:
            connection = self._idle.pop()
        else:
            async with asyncio.timeout(TIMEOUT_SECONDS):  # a firewall may drop what it does not like, for minutes
                connection = await Connection.connect(self._endpoint)
        answer = await connection.ask(wire, TIMEOUT_SECONDS)
        if connection.open:
            self._idle.append(connection)
        if answer.status != GOOD:
            return f"HTTP {answer.status}", ("", "")
        version, colour = VERSION.search(answer.body), COLOUR.search(answer.body)
        return "", (version[1].decode() if version else "", colour[1].decode() if colour else "")
