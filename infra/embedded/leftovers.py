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


def end_leftovers(layout: Layout) -> list[str]:
    """End them, PostgreSQL last and gently; to be called when no supervisord of this installation runs.

    Returns:
        What was ended, as `name (pid N)`.
    """
    found = []
    for pid in launch.of_supervisor(f"unix://{layout.supervisor_socket}"):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    names = [f"{process.name()} (pid {process.pid})" for process in found]
    _end(found, signal.SIGTERM)
    server = postgres.postmaster(layout)
    if server is not None:
        names.append(f"postgres (pid {server})")
        _end([psutil.Process(server)], signal.SIGINT)
    return names


def _end(processes: list[psutil.Process], how: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, how)
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
