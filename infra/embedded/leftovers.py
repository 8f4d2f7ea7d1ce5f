"""Processes of this installation that have outlived the supervisord that started them."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import psutil

from infra.embedded import launch, postgres

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

PATIENCE = 10.0


def end_leftovers(layout: Layout) -> int:
    """End them, PostgreSQL last and gently; to be called when no supervisord of this installation runs.

    Returns:
        How many processes were ended.
    """
    server = postgres.postmaster(layout)
    found = []
    for pid in launch.of_supervisor(f"unix://{layout.supervisor_socket}"):
        # PostgreSQL waits for its clients when asked by this signal.
        if pid != server:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
    _end(found, signal.SIGTERM)
    if server is not None:
        found.append(psutil.Process(server))
        _end(found[-1:], signal.SIGINT)
    return len(found)


def _end(processes: list[psutil.Process], how: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, how)
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
