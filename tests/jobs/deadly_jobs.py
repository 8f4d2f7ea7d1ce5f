"""Jobs in processes of their own, which are killed where they call a function."""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

# What takes long to be imported is imported once; nothing of ours, where a function is to be replaced in time.
LIBRARIES = ["mlflow.sklearn", "skops.io", "sklearn.ensemble", "matplotlib.figure", "scipy.stats", "pyarrow.dataset"]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(LIBRARIES)


def start_job(job: str, arguments: Sequence[str], log: Path, called: str = "", call: int = 1) -> BaseProcess:
    """Start a job as a process of its own, in the present environment; its output goes to the log.

    `called` names a function as "module:name": the job is killed, with all that it has started, before it is called
    for the given time.
    """
    process = PROCESSES.Process(target=_play, args=(job, list(arguments), called, call, dict(os.environ), log))
    process.start()
    return process


def kill_job_where(job: str, arguments: Sequence[str], log: Path, called: str, call: int = 1) -> None:
    """Run a job until it calls a function for the given time, and kill it there."""
    process = start_job(job, arguments, log, called, call)
    process.join(240)
    assert process.exitcode == -signal.SIGKILL, log.read_text()


def _play(job: str, arguments: list[str], called: str, call: int, environment: dict[str, str], log: Path) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    with log.open("wb") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
    if called:
        _kill_where(called, call)
    sys.argv = [f"jobs.{job}", *arguments]
    runpy.run_module(f"jobs.{job}", run_name="__main__", alter_sys=True)


def _kill_where(called: str, call: int) -> None:
    module, name = called.split(":")
    *above, last = name.split(".")
    owner = importlib.import_module(module)
    for part in above:
        owner = getattr(owner, part)
    function, calls = getattr(owner, last), itertools.count(1)

    def deadly(*given: Any, **named: Any) -> Any:
        if next(calls) >= call:
            os.killpg(0, signal.SIGKILL)
        return function(*given, **named)

    setattr(owner, last, deadly)
