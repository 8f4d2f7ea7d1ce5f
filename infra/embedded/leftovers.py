"""Processes of this installation that nobody answers for: of a supervisord that was killed, or lost its home."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import psutil

from infra.embedded import launch, postgres
from infra.embedded.supervise import POLL_SECONDS, has_process
from tidewheel.polling import poll

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

PATIENCE = 10.0


def end_leftovers(layout: Layout) -> int:
    """End them, PostgreSQL last and gently; to be called when no supervisord of this installation answers.

    Returns:
        How many processes were ended.
    """
    # One whose socket was removed with its home still keeps its programs alive.
    unreachable = [process.pid for process in psutil.process_iter() if _is_supervisord(process, layout)]
    _end(unreachable, signal.SIGTERM)
    server = postgres.postmaster(layout)
    # By SIGTERM PostgreSQL would wait for its clients to leave.
    found = [pid for pid in launch.of_supervisor(f"unix://{layout.supervisor_socket}") if pid != server]
    _end(found, signal.SIGTERM)
    if server is not None:
        found.append(server)
        _end([server], signal.SIGINT)
    return len(unreachable) + len(found)


def _is_supervisord(process: psutil.Process, layout: Layout) -> bool:
    try:
        return process.cmdline()[-2:] == ["-c", str(layout.supervisor_config)]
    except psutil.Error:  # it has ended meanwhile, or belongs to somebody else
        return False


def _end(pids: list[int], how: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
    for pid in _alive_after(PATIENCE, pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _alive_after(PATIENCE, pids)


def _alive_after(seconds: float, pids: list[int]) -> list[int]:
    for _ in poll(seconds, every=POLL_SECONDS):
        if not (alive := [pid for pid in pids if has_process(pid)]):
            break
    return alive
