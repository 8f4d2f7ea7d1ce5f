"""A program under supervision: the files that describe it to supervisord and to the launcher, its state, its log."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded import launch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from infra.embedded.layout import Layout

LOG_BYTES = "10MB"
LOG_BACKUPS = 3
FOLLOW_SECONDS = 0.3


@dataclass(frozen=True)
class Program:
    """One process that supervisord keeps alive.

    Attributes:
        name: letters, digits, `-`, `_`, `.`; also the name of its log.
        command: program and arguments, passed as they are, without a shell.
        env: variables set for it, on top of supervisord's environment.
        inherits: names of the variables it has from supervisord, as shell patterns.
        directory: folder it runs in.
        reads: files it reads when it starts; it is another program once one of them has changed.
        user: account to switch to, for a program that refuses to run as root.
        autostart: start it as soon as supervisord starts.
        start_seconds: how long it must live to count as started.
        start_retries: failed starts in a row before supervisord gives up on it.
        stop_signal: that stops it.
        stop_seconds: how long it may take; then it is killed, with its process group.
        stop_children: send the stop signal to its whole process group.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    inherits: tuple[str, ...] = ("*",)
    directory: Path = Path("/")
    reads: tuple[Path, ...] = ()
    user: str = ""
    autostart: bool = True
    start_seconds: int = 1
    start_retries: int = 10
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    stop_children: bool = False

    def launch_file(self, layout: Layout) -> Path:
        """Path of the JSON file that `launch.py` reads."""
        return layout.programs / f"{self.name}.json"

    def config_file(self, layout: Layout) -> Path:
        """Path of the section that supervisord includes."""
        return layout.included_config / f"{self.name}.conf"

    def launch_json(self) -> str:
        """Content of the launch file."""
        description = {
            "command": self.command,
            "env": dict(self.env),
            "inherits": self.inherits,
            "directory": str(self.directory),
            "user": self.user,
            "reads": {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.reads},
        }
        return json.dumps(description, indent=1, sort_keys=True) + "\n"

    def config_section(self, layout: Layout) -> str:
        """Content of the file that supervisord includes."""
        launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__).resolve()), str(self.launch_file(layout))]
        options = {
            "command": shlex.join(launcher),
            "autostart": str(self.autostart).lower(),
            "autorestart": "true",
            "startsecs": self.start_seconds,
            "startretries": self.start_retries,
            "stopsignal": self.stop_signal,
            "stopwaitsecs": self.stop_seconds,
            "stopasgroup": str(self.stop_children).lower(),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": layout.log(self.name),
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": LOG_BACKUPS,
        }
        lines = [f"{key} = {value}" for key, value in options.items()]
        return "\n".join([f"[program:{self.name}]", *lines, ""])


class ProgramState(StrEnum):
    """What supervisord says of a program."""

    ABSENT = "ABSENT"
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"

    @property
    def at_rest(self) -> bool:
        """Whether no process of the program runs and supervisord will not start one by itself."""
        return self in {
            ProgramState.ABSENT,
            ProgramState.STOPPED,
            ProgramState.EXITED,
            ProgramState.FATAL,
            ProgramState.UNKNOWN,
        }


@dataclass(frozen=True)
class ProgramStatus:
    """A program's state.

    Attributes:
        pid: its process, 0 when there is none.
        since: Unix time of its last start, 0 when it never started.
        problem: why it could not be started, in supervisord's words.
    """

    name: str
    state: ProgramState
    pid: int = 0
    since: float = 0.0
    problem: str = ""


def supervisord_config(layout: Layout, *, as_root: bool) -> str:
    """Content of supervisord's main configuration file.

    Args:
        layout: the installation.
        as_root: say so to supervisord, which otherwise warns about it at every start.
    """
    return f"""\
; Written by `tidewheel up`; changes here are lost.
[supervisord]
logfile = {layout.supervisor_log}
logfile_maxbytes = {LOG_BYTES}
logfile_backups = {LOG_BACKUPS}
pidfile = {layout.supervisor_pid}
childlogdir = {layout.logs}
directory = {layout.home}
umask = 077
minfds = 1024
{"user = root" if as_root else ""}

[unix_http_server]
file = {layout.supervisor_socket}
chmod = 0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = {layout.included_config.name}/*.conf
"""


def program_names(pipeline: str, colour: str, replicas: int) -> list[str]:
    """Names of the programs of a colour, one for each replica of the model's service.

    The first is `<pipeline>-<colour>`, as it was before there were replicas; the others add their number.
    """
    first = f"{pipeline}-{colour}"
    return [first, *(f"{first}-{number}" for number in range(2, replicas + 1))]


def last_lines(log: Path, count: int = 15) -> str:
    """Return the last `count` lines of a log file, an empty string where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 400 * count))
        return "\n".join(file.read().decode("utf-8", errors="replace").splitlines()[-count:])


def tail(log: Path, lines: int, *, follow: bool) -> Iterator[str]:
    """Yield the last lines of a log, and with `follow` what is written to it, across its rotation, without end."""
    with ExitStack() as stack:
        file = stack.enter_context(_open(log))
        file.seek(0, os.SEEK_END)
        yield from last_lines(log, lines).splitlines()
        while follow:
            if line := file.readline():
                yield line.rstrip("\n")
            elif not log.exists() or log.stat().st_ino == os.fstat(file.fileno()).st_ino:
                time.sleep(FOLLOW_SECONDS)
            else:  # it was rotated: all of the new one comes after what was read
                stack.close()
                file = stack.enter_context(_open(log))


def _open(log: Path) -> TextIO:
    return log.open(encoding="utf-8", errors="replace")
