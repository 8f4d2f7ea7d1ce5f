"""The processes that simulate: each has one thread, reads the history once, and runs one request after the other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import threadpoolctl

from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Policy, parse_policy
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


@dataclass(frozen=True)
class ReplayScope:
    """What all simulations of one call have in common.

    Attributes:
        settings: of this installation.
        pipeline: whose history is played.
        played: first and last day.
        folder: where fits and simulations are stored.
    """

    settings: Settings
    pipeline: Pipeline
    played: PartitionRange
    folder: Path


@dataclass(frozen=True)
class SimulationRequest:
    """One simulation to run.

    Attributes:
        policy: as the person wrote it.
        seed: of its models.
        fits: of `spec` under the same seed, for a policy that is made from it; else 0.
    """

    policy: str
    seed: int
    fits: int = 0


@dataclass(frozen=True)
class Report:
    """How far a simulation has come."""

    request: SimulationRequest
    days: int
    fits: int


@dataclass(frozen=True)
class _Worker:
    """What a process holds from one request to the next."""

    scope: ReplayScope
    history: History
    outbox: Queue[Report]

    def run(self, request: SimulationRequest) -> Simulation:
        policy = policy_of(self.scope, request)
        fitter = Fitter(policy.pipeline, request.seed, ResultCache(self.scope.folder))

        def report(day: date, fits: int) -> None:
            self.outbox.put(Report(request, self.scope.played.unit.between(self.scope.played.first, day) + 1, fits))

        return simulate(self.history, policy, self.scope.played, fitter, report)


class Workers:
    """Processes for simulations; they start with the first one.

    Args:
        scope: what they have in common.
        count: how many processes.
    """

    def __init__(self, scope: ReplayScope, count: int) -> None:
        # a fork would inherit the threads of Arrow and OpenMP, which do not survive it
        context = multiprocessing.get_context("spawn")
        self._queue: Queue[Report] = context.Queue()
        self._pool = ProcessPoolExecutor(count, context, _enter, (scope, self._queue))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def reports(self) -> list[Report]:
        """What the processes have reported since the last call."""
        reports = []
        with contextlib.suppress(queue.Empty):
            while True:
                reports.append(self._queue.get_nowait())
        return reports

    def submit(self, request: SimulationRequest) -> Future[Simulation]:
        """Have a simulation run."""
        return self._pool.submit(_run, request)


def policy_of(scope: ReplayScope, request: SimulationRequest) -> Policy:
    """The policy that a request is about."""
    return parse_policy(request.policy, scope.pipeline, scope.played).make(request.fits)


_worker: list[_Worker] = []


def _enter(scope: ReplayScope, outbox: Queue[Report]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word; its parent process reports one
    threadpoolctl.threadpool_limits(1)
    os.environ.update(OMP_NUM_THREADS="1", LOKY_MAX_CPU_COUNT="1")  # for libraries that are loaded later, and joblib
    history = History.read(Lake.open(scope.pipeline.name, scope.settings), scope.pipeline, scope.played)
    _worker.append(_Worker(scope, history, outbox))


def _run(request: SimulationRequest) -> Simulation:
    return _worker[0].run(request)
