"""A job as a process group: its lines as they come, and an end that leaves nothing running."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tidewheel.logs import read_line
from tidewheel.project import import_path
from tidewheel.tracing import context_variables

GRACE_SECONDS = 3.0
"""Airflow sends SIGKILL to a task five seconds after SIGTERM: a job must be gone before that."""

_PR_SET_PDEATHSIG = 1
_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?P<message>.*)")


class JobProcess:
    """A running job."""

    def __init__(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  the command is our own, no shell is involved
            [sys.executable, *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,  # a progress bar's carriage returns end a line too
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the process group."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """What the job prints, line by line, until it has ended."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if text := line.rstrip():
                    yield text

    def wait(self) -> int:
        """Exit code; whatever the job started and left behind is killed."""
        code = self._process.wait()
        self._signal(signal.SIGKILL)
        return code

    def stop(self) -> None:
        """End the job and all it started: politely first, then not."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # the group has ended already
            os.killpg(self.pid, number)


def level_and_message(line: str) -> tuple[str, str]:
    """Split a line of a job's log into level and message; Airflow adds its own time. Other output is information."""
    if parsed := read_line(line):
        return parsed["level"].upper(), "\n".join(filter(None, [parsed["message"], parsed.get("exception", "")]))
    match = _LINE.fullmatch(line)
    return (match["level"], match["message"]) if match else ("INFO", line)


def job_environment(project: Path) -> dict[str, str]:
    """The environment of a job: this process's own, less Airflow's configuration and secrets, and the task's span."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW__", "_AIRFLOW"))}
    return (
        inherited | {"PYTHONPATH": os.pathsep.join(import_path(project)), "PYTHONUNBUFFERED": "1"} | context_variables()
    )


def _die_with_parent() -> None:
    # Where the task's own process is killed with SIGKILL, nobody is left to end the job: Linux does it then.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
