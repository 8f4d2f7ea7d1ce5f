"""The processes of an installation: starting supervisord, ending what a killed one left behind, and their memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.embedded import launch, postgres
from infra.embedded.program import last_lines, supervisord_config
from infra.embedded.supervisor import POLL_SECONDS, Supervisor, has_process
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError
from tidewheel.polling import poll

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Layout

START_SECONDS = 20.0
END_SECONDS = 10.0


def start_supervisord(layout: Layout, env: Mapping[str, str]) -> Supervisor:
    """Start supervisord in the background and wait until it answers; one that runs already is left alone.

    Args:
        layout: the installation; its folders exist.
        env: environment that every program inherits.

    Raises:
        PlatformError: it did not start; the message ends with the last lines of its log.
    """
    supervisor = Supervisor(layout)
    if supervisor.pid() is not None:
        return supervisor
    write_private(layout.supervisor_config, supervisord_config(layout, as_root=os.geteuid() == 0))
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)]
    # A session of its own: Ctrl-C in the terminal that ran `tidewheel up` must not reach it.
    started = subprocess.run(  # noqa: S603 - our own interpreter and file
        command, env=dict(env), cwd=layout.home, capture_output=True, text=True, start_new_session=True, check=False
    )
    if started.returncode:
        raise PlatformError(f"supervisord refuses its configuration: {(started.stderr or started.stdout).strip()}")
    for _ in poll(START_SECONDS, every=POLL_SECONDS):
        if supervisor.pid() is not None:
            return supervisor
    raise PlatformError(
        f"supervisord did not answer within {START_SECONDS:.0f} s; the end of {layout.supervisor_log}:\n"
        f"{last_lines(layout.supervisor_log) or '(empty)'}"
    )


def end_stale_processes(layout: Layout) -> int:
    """End processes that a killed supervisord left, or one that lost its home, PostgreSQL last and gently.

    To be called when no supervisord of this installation answers.

    Returns:
        How many processes were ended.
    """
    # One whose socket was removed with its home still keeps its programs alive.
    unreachable = [process.pid for process in psutil.process_iter() if _is_supervisord(process, layout)]
    _end(unreachable, signal.SIGTERM)
    server = postgres.postmaster(layout)
    # By SIGTERM PostgreSQL would wait for its clients to leave.
    stale = [pid for pid in launch.of_supervisor(f"unix://{layout.supervisor_socket}") if pid != server]
    _end(stale, signal.SIGTERM)
    if server is not None:
        stale.append(server)
        _end([server], signal.SIGINT)
    return len(unreachable) + len(stale)


def tree_memory(pid: int) -> int:
    """Bytes that a process and its descendants hold, pages they share with others counted by their share (PSS)."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_proportional(member.pid) for member in members)


def _is_supervisord(process: psutil.Process, layout: Layout) -> bool:
    try:
        return process.cmdline()[-2:] == ["-c", str(layout.supervisor_config)]
    except psutil.Error:  # it has ended meanwhile, or belongs to another user
        return False


def _end(pids: list[int], how: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
    for pid in _alive_after(END_SECONDS, pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _alive_after(END_SECONDS, pids)


def _alive_after(seconds: float, pids: list[int]) -> list[int]:
    for _ in poll(seconds, every=POLL_SECONDS):
        if not (alive := [pid for pid in pids if has_process(pid)]):
            break
    return alive


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended, or is none of ours
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
