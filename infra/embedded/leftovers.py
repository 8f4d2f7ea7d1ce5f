"""Processes of this installation that have outlived the supervisord that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from infra.embedded import launch, postgres
from infra.embedded.supervise import POLL_SECONDS, has_process

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

PATIENCE = 10.0


def end_leftovers(layout: Layout) -> int:
    """End them, PostgreSQL last and gently; to be called when no supervisord of this installation runs.

    Returns:
        How many processes were ended.
    """
    server = postgres.postmaster(layout)
    # By SIGTERM PostgreSQL would wait for its clients to leave.
    found = [pid for pid in launch.of_supervisor(f"unix://{layout.supervisor_socket}") if pid != server]
    _end(found, signal.SIGTERM)
    if server is None:
        return len(found)
    _end([server], signal.SIGINT)
    return len(found) + 1


def _end(pids: list[int], how: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
    for pid in _alive_after(PATIENCE, pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _alive_after(PATIENCE, pids)


def _alive_after(seconds: float, pids: list[int]) -> list[int]:
    deadline = time.monotonic() + seconds
    while (alive := [pid for pid in pids if has_process(pid)]) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return alive
