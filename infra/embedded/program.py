"""A program under supervision, and the two files that describe it to supervisord and to the launcher."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded import launch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Layout

LOG_BYTES = "10MB"
LOG_BACKUPS = 3


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
        stop_signal: how it is asked to stop.
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
