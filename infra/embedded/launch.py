"""Become the program that a launch file describes. Run by supervisord: `python launch.py <name>.json`.

Command, environment and folder come from a private JSON file, because supervisord's own format
can neither quote every value nor hide a password. Standard library only: it runs before anything else.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import signal
import sys
from fnmatch import fnmatchcase
from pathlib import Path

# Accounts for a program that refuses to run as root; the first that exists.
UNPRIVILEGED = ("postgres", "nobody")
CAP_DAC_OVERRIDE = 1
PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3 = 0x20080522


def unprivileged_account() -> pwd.struct_passwd | None:
    """The account of a program that refuses to run as root; None where we are not root, and it runs as we do.

    Raises:
        LookupError: we are root and the machine has no such account.
    """
    if os.geteuid() != 0:
        return None
    accounts = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in accounts:
            return accounts[name]
    raise LookupError(f"this machine has none of the accounts {', '.join(UNPRIVILEGED)}")


def become(user: str) -> None:
    """Switch from root to `user` for a program that refuses to run as root, as PostgreSQL does.

    The process keeps one capability, to pass folders that only root may enter: home and the
    environment often lie below /root, and every other service of the platform runs as root too.
    access(2), by which PostgreSQL looks for its own programs, ignores the capabilities of every
    user but root unless SECBIT_NO_SETUID_FIXUP is set.
    """
    account = pwd.getpwnam(user)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    # Refused in a container without CAP_SETPCAP: there PostgreSQL starts where `user` may enter the folders.
    libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    mask = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable: first for capabilities 0-31, then for 32-63
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(header, sets) or libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0):
        number = ctypes.get_errno()
        raise PermissionError(number, f"cannot run as {user} and still read its files: {os.strerror(number)}")


def of_supervisor(url: str, program: str = "") -> list[int]:
    """Processes that descend from a program of the supervisord at `url`; from one program only where it is named."""
    marks = [f"SUPERVISOR_SERVER_URL={url}".encode()]
    marks += [f"SUPERVISOR_PROCESS_NAME={program}".encode()] if program else []
    pids = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # it has ended, or belongs to another user
                continue
            if all(mark in environment for mark in marks):
                pids.append(int(folder.name))
    return pids


def end_predecessors() -> None:
    """Kill what a killed predecessor of this program left: its children hold its port, its memory and its tasks."""
    url, program = os.environ.get("SUPERVISOR_SERVER_URL"), os.environ.get("SUPERVISOR_PROCESS_NAME")
    if url and program:
        for pid in of_supervisor(url, program):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Replace this process by the program of the launch file named on the command line."""
    end_predecessors()
    launch = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    inherits = launch["inherits"]
    environment = {n: v for n, v in os.environ.items() if any(fnmatchcase(n, pattern) for pattern in inherits)}
    environment.update(launch["env"])
    if launch["user"]:
        become(launch["user"])
    os.chdir(launch["directory"])
    os.execvpe(launch["command"][0], launch["command"], environment)  # noqa: S606 - without a shell


if __name__ == "__main__":
    main()
