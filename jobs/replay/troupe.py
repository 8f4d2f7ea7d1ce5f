"""The processes that play: each has one thread, reads the history once, and plays one part after the other."""

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
from jobs.replay.kept import Kept
from jobs.replay.play import Play, play
from jobs.replay.policies import Policy, parse_policy
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from multiprocessing.queues import Queue


@dataclass(frozen=True)
class Scene:
    """What all plays of one call have in common.

    Attributes:
        settings: of this installation.
        pipeline: whose history is played.
        played: first and last day.
        folder: where fits and plays are kept.
    """

    settings: Settings
    pipeline: Pipeline
    played: PartitionRange
    folder: Path


@dataclass(frozen=True)
class Part:
    """One play to be played.

    Attributes:
        policy: as the person wrote it.
        seed: of its models.
        fits: of `spec` under the same seed, for a policy that is made from it; else 0.
    """

    policy: str
    seed: int
    fits: int = 0


@dataclass(frozen=True)
class News:
    """How far a part has come."""

    part: Part
    days: int
    fits: int


@dataclass(frozen=True)
class _Player:
    """What a playing process keeps from part to part."""

    scene: Scene
    history: History
    told: Queue[News]

    def perform(self, part: Part) -> Play:
        policy = policy_of(self.scene, part)
        fitter = Fitter(policy.pipeline, part.seed, Kept(self.scene.folder))

        def tell(day: date, fits: int) -> None:
            self.told.put(News(part, (day - self.scene.played.first).days + 1, fits))

        return play(self.history, policy, self.scene.played, fitter, tell)


class Troupe:
    """Processes for plays; they start with the first one.

    Args:
        scene: what is played.
        count: how many processes.
    """

    def __init__(self, scene: Scene, count: int) -> None:
        # a fork would inherit the threads of Arrow and OpenMP, which do not survive it
        context = multiprocessing.get_context("spawn")
        self._told: Queue[News] = context.Queue()
        self._pool = ProcessPoolExecutor(count, context, _enter, (scene, self._told))

    def __enter__(self) -> Troupe:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def news(self) -> list[News]:
        """What the processes have told since the last call."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._told.get_nowait())
        return found

    def submit(self, part: Part) -> Future[Play]:
        """Have a part played."""
        return self._pool.submit(_perform, part)


def policy_of(scene: Scene, part: Part) -> Policy:
    """The policy that a part is about."""
    return parse_policy(part.policy, scene.pipeline, scene.played).make(part.fits)


_player: list[_Player] = []


def _enter(scene: Scene, told: Queue[News]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a word; whoever started it has one
    threadpoolctl.threadpool_limits(1)
    os.environ.update(OMP_NUM_THREADS="1", LOKY_MAX_CPU_COUNT="1")  # for libraries that are loaded later, and joblib
    history = History.read(Lake.open(scene.pipeline.name, scene.settings), scene.pipeline, scene.played)
    _player.append(_Player(scene, history, told))


def _perform(part: Part) -> Play:
    return _player[0].perform(part)
