"""Start supervisord, and add, start, stop and remove its programs while it runs, over its control socket."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xmlrpc.client import Fault, ServerProxy, Transport

import psutil
from supervisor.xmlrpc import Faults

from infra.embedded.program import Program, ProgramState, ProgramStatus, last_lines
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError, did_you_mean
from tidewheel.file_lock import file_lock
from tidewheel.polling import poll

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.embedded.layout import Layout

POLL_SECONDS = 0.1
CALL_SECONDS = 20.0
"""For an answer of supervisord: none of its methods that are called here waits for anything."""


class Supervisor:
    """The supervisord of one installation.

    Args:
        layout: the installation; `Layout(settings.home)`.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def pid(self) -> int | None:
        """Process id of the running supervisord, None when it does not answer."""
        try:
            return int(self._call("getPID"))
        except PlatformError:
            return None

    def statuses(self) -> list[ProgramStatus]:
        """State of every program, by name.

        Raises:
            PlatformError: supervisord does not answer.
        """
        infos: list[dict[str, Any]] = self._call("getAllProcessInfo")
        return sorted((_status(info) for info in infos), key=lambda status: status.name)

    def status(self, name: str) -> ProgramStatus:
        """State of one program; `ProgramState.ABSENT` when supervisord does not know it.

        Raises:
            PlatformError: supervisord does not answer.
        """
        for status in self.statuses():
            if status.name == name:
                return status
        return ProgramStatus(name, ProgramState.ABSENT)

    def add(self, program: Program) -> bool:
        """Put a program under supervision; it starts at once where `program.autostart` is set.

        Adding the same program again changes nothing; a different one of that name replaces one that is at rest.

        Returns:
            Whether anything changed.

        Raises:
            PlatformError: supervisord does not answer or refuses the program, or another program of that name runs.
        """
        with self._exclusively():
            state = self.status(program.name).state
            if self.is_same(program) and state is not ProgramState.ABSENT:
                return False
            if not state.at_rest:
                raise PlatformError(
                    f"program {program.name!r} is {state} with another command or environment; "
                    "stop it before changing it"
                )
            if state is not ProgramState.ABSENT:
                self._call("removeProcessGroup", program.name)
            write_private(program.launch_file(self._layout), program.launch_json())
            write_private(program.config_file(self._layout), program.config_section(self._layout))
            self._call("reloadConfig")
            self._call("addProcessGroup", program.name)
            return True

    def is_same(self, program: Program) -> bool:
        """Whether the program that was last added under this name is this very one."""
        return _text(program.launch_file(self._layout)) == program.launch_json() and _text(
            program.config_file(self._layout)
        ) == program.config_section(self._layout)

    def spawn(self, name: str) -> None:
        """Start a program without waiting; one that runs is left alone.

        Raises:
            PlatformError: no such program, or supervisord does not answer.
        """
        self._require(name)
        with contextlib.suppress(_AlreadyStarted):
            self._call("startProcess", name, False)

    def start(self, name: str, timeout: float = 30.0) -> ProgramStatus:
        """Start a program and wait until it has lived for its `start_seconds`; one that runs is left alone.

        Raises:
            PlatformError: no such program, or it did not start; the message ends with its last log lines.
        """
        self.spawn(name)

        def settled(status: ProgramStatus) -> bool:
            return status.state in {ProgramState.RUNNING, ProgramState.FATAL}

        status = self._wait(name, settled, timeout)
        if status.state is not ProgramState.RUNNING:
            raise PlatformError(
                f"program {name!r} did not start: {status.state} after {timeout:.0f} s at most"
                f"{f' ({status.problem})' if status.problem else ''}; the end of {self._layout.log(name)}:\n"
                f"{last_lines(self._layout.log(name)) or '(empty)'}"
            )
        return status

    def stop(self, name: str, timeout: float = 30.0) -> None:
        """Ask a program to stop and wait until it has; one still alive after `timeout` seconds is killed.

        Raises:
            PlatformError: no such program, or not even killing ended it.
        """
        self._require(name)
        with contextlib.suppress(_NotRunning):
            self._call("stopProcess", name, False)
        status = self._wait(name, lambda status: status.state.at_rest, timeout)
        if status.state.at_rest:
            return
        if status.pid:
            # supervisord makes every program the leader of its own process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(status.pid, signal.SIGKILL)
        status = self._wait(name, lambda status: status.state.at_rest, 10.0)
        if not status.state.at_rest:
            raise PlatformError(f"program {name!r} (pid {status.pid}) is {status.state} and cannot be killed")

    def restart(self, name: str, timeout: float) -> None:
        """Stop a program, by force after `timeout` seconds, and start it without waiting until it answers.

        Raises:
            PlatformError: no such program, or not even killing ended it.
        """
        self.stop(name, timeout)
        self.spawn(name)

    def remove(self, name: str, timeout: float = 30.0) -> None:
        """Stop a program, if it runs, and forget it; its log stays. Removing an unknown one is no error.

        Raises:
            PlatformError: supervisord does not answer, or the program cannot be stopped.
        """
        with self._exclusively():
            if self.status(name).state is not ProgramState.ABSENT:
                self.stop(name, timeout)
                self._call("removeProcessGroup", name)
            forgotten = Program(name, ())
            forgotten.config_file(self._layout).unlink(missing_ok=True)
            forgotten.launch_file(self._layout).unlink(missing_ok=True)
            self._call("reloadConfig")

    def shutdown(self, timeout: float = 60.0) -> None:
        """Stop supervisord, and with it whatever program still runs.

        Raises:
            PlatformError: it does not answer, or did not end in time.
        """
        pid = int(self._call("getPID"))
        self._call("shutdown")
        for _ in poll(timeout, every=POLL_SECONDS):
            if not has_process(pid):
                return
        raise PlatformError(f"supervisord (pid {pid}) did not end within {timeout:.0f} s")

    def _require(self, name: str) -> None:
        known = [status.name for status in self.statuses()]
        if name not in known:
            raise PlatformError(
                f"there is no program {name!r}{did_you_mean(name, known)}; there are: {', '.join(known) or 'none'}"
            )

    def _wait(self, name: str, settled: Callable[[ProgramStatus], bool], timeout: float) -> ProgramStatus:
        for _ in poll(timeout, every=POLL_SECONDS):
            if settled(status := self.status(name)):
                break
        return status

    def _exclusively(self) -> contextlib.AbstractContextManager[None]:
        # Two clients that change the included files at once would each reload the other's half.
        return file_lock(self._layout.run / "programs.lock")

    def _call(self, method: str, *arguments: object) -> Any:
        address = self._layout.supervisor_socket
        transport = _UnixTransport(address)
        try:
            proxy = ServerProxy("http://127.0.0.1", transport=transport)
            return getattr(proxy.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException) as error:
            raise PlatformError(
                f"the platform is not running: no supervisord answers at {address}; start it with `tidewheel up`"
            ) from error
        except Fault as fault:
            kind = {Faults.ALREADY_STARTED: _AlreadyStarted, Faults.NOT_RUNNING: _NotRunning}
            raise kind.get(fault.faultCode, PlatformError)(
                f"supervisord refuses {method}({', '.join(map(str, arguments))}): {fault.faultString}"
            ) from fault
        finally:
            transport.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, for `xmlrpc.client`, which stands on `http.client` and takes no httpx.

    Args:
        path: of the socket.
        timeout: seconds for the connection and for each read.
    """

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _UnixTransport(Transport):
    """XML-RPC over a unix socket, with a time limit, which supervisor's own transport does not have."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(str(self._path), CALL_SECONDS)
        self._connection = host, connection  # it is closed by `Transport.close`
        return connection


class _AlreadyStarted(PlatformError):
    """The program runs already."""


class _NotRunning(PlatformError):
    """The program does not run."""


def has_process(pid: int) -> bool:
    """Whether a process lives; one that has ended counts as gone, also where nobody collects its exit status."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _status(info: dict[str, Any]) -> ProgramStatus:
    return ProgramStatus(
        name=info["name"],
        state=ProgramState(info["statename"]),
        pid=int(info["pid"]),
        since=float(info["start"]),
        problem=info["spawnerr"],
    )
