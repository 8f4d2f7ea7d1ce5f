"""Restarts what is alive and does not answer: `python -m infra.embedded.watchdog HOME`, itself under supervisord.

supervisord starts again what has ended. A process that has closed its listeners, was stopped by a signal or waits for a
lock for ever has not ended; the watchdog requests a page of each and restarts those that stay silent. It leaves
PostgreSQL to `tidewheel up`: to kill a database on a mere suspicion does more harm than it cures.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from infra.embedded.layout import Layout
from infra.embedded.ports import HOST, ports_of
from infra.embedded.program import Program, ProgramState, program_names
from infra.embedded.supervisor import POLL_SECONDS, Supervisor
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError
from tidewheel.http_client import failure, http_client, plain_transport
from tidewheel.logs import FORMAT_VARIABLE, configure
from tidewheel.project import installed_path

if TYPE_CHECKING:
    from infra.embedded.program import ProgramStatus

NAME = "watchdog"
ROUND_SECONDS = 3.0
ANSWER_SECONDS = 3.0
START_SECONDS = 60.0
"""A program that was started less than this ago may not answer yet."""
ROUTER_SILENCE = 12.0
SILENCE = 60.0
"""Of programs that answer slowly when the machine is busy."""
STOP_SECONDS = 5.0

log = logging.getLogger(NAME)


@dataclass(frozen=True)
class WatchedProgram:
    """A program that answers over HTTP.

    Attributes:
        program: its name.
        urls: what it answers: `http://host:port/path`, or `unix:///path/to/socket#/path`.
        silence: seconds after which it is restarted.
        start: seconds from its start in which it need not answer.
    """

    program: str
    urls: tuple[str, ...]
    silence: float
    start: float


@dataclass
class Watchdog:
    """Remembers since when each program is silent.

    Attributes:
        supervisor: of the programs.
        silent_since: by program, on the monotonic clock.
    """

    supervisor: Supervisor
    silent_since: dict[str, float] = field(default_factory=dict)

    def look(self, watched: Iterable[WatchedProgram], unanswered: Callable[[str], str] | None = None) -> list[str]:
        """Request a page of each once, and restart those that have been silent for too long; returns their names."""
        unanswered = unanswered or why_unanswered
        statuses = {status.name: status for status in self.supervisor.statuses()}
        restarted = []
        for each in watched:
            status = statuses.get(each.program)
            why = self._silence(each, status, unanswered) if status else ""
            if not why:
                self.silent_since.pop(each.program, None)
                continue
            since = self.silent_since.setdefault(each.program, time.monotonic())
            if time.monotonic() - since < each.silence:
                continue
            log.warning("%s is alive and has not answered for %.0f s (%s): restarted", each.program, each.silence, why)
            self.silent_since.pop(each.program)
            self.supervisor.restart(each.program, STOP_SECONDS)
            restarted.append(each.program)
        return restarted

    def _silence(self, watched: WatchedProgram, status: ProgramStatus, unanswered: Callable[[str], str]) -> str:
        if status.state is not ProgramState.RUNNING or time.time() - status.since < watched.start:
            return ""
        return next(filter(None, map(unanswered, watched.urls)), "")


def program(layout: Layout) -> Program:
    """The watchdog, as supervisord runs it."""
    command = (sys.executable, "-m", "infra.embedded.watchdog", str(layout.home))
    return Program(
        NAME,
        command,
        {"PYTHONPATH": os.pathsep.join(installed_path())},
        inherits=("PATH", "LANG", "LC_*", "SUPERVISOR_*", FORMAT_VARIABLE),
        directory=layout.home,
        autostart=False,
    )


def write_watched(layout: Layout, watched: Iterable[WatchedProgram]) -> None:
    """Write down what is to be watched besides the models' services."""
    write_private(_file(layout), json.dumps([asdict(each) for each in watched], indent=1) + "\n")


def read_watched(layout: Layout) -> list[WatchedProgram]:
    """What is watched now: the services that `write_watched` wrote, and the models that are placed in a colour."""
    services = json.loads(_file(layout).read_text(encoding="utf-8"))
    watched = [WatchedProgram(**{**each, "urls": tuple(each["urls"])}) for each in services]
    return [*watched, *models(layout)]


def models(layout: Layout) -> list[WatchedProgram]:
    """The models' services that are placed in a colour now."""
    endpoints: list[dict[str, Any]] = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted((layout.home / "endpoints").glob("*.json"))
    ]
    return [
        WatchedProgram(name, (f"http://{HOST}:{port}/livez",), SILENCE, START_SECONDS)
        for each in endpoints
        for colour, place in each["places"].items()
        for name, port in zip(
            program_names(each["pipeline"], colour, len(ports_of(place))), ports_of(place), strict=True
        )
    ]


def restart_silent_models(supervisor: Supervisor, layout: Layout, patience: float = 6.0) -> list[str]:
    """Restart the models' services that run and do not answer for `patience` seconds; returns their names."""
    watchdog = Watchdog(supervisor)
    watched = [replace(each, silence=patience) for each in models(layout)]
    restarted = watchdog.look(watched)
    while watchdog.silent_since:
        time.sleep(POLL_SECONDS)
        restarted += watchdog.look(watched)
    return restarted


def why_unanswered(url: str) -> str:
    """Why a URL of `WatchedProgram.urls` is not answered, empty where it is."""
    try:
        response = get(url, ANSWER_SECONDS)
    except httpx.HTTPError as error:
        return f"{url}: {failure(error)}"
    return f"{url}: HTTP {response.status_code}" if response.is_server_error else ""


def get(url: str, timeout: float) -> httpx.Response:
    """Request a page of a service on this machine.

    Args:
        url: as in `WatchedProgram.urls`.
        timeout: seconds for the connection and for each read.

    Raises:
        httpx.HTTPError: it cannot be reached, does not answer in time, or answers with something else than HTTP.
    """
    address, _, path = url.partition("#")
    socket = address.removeprefix("unix://") if path else None
    with http_client(seconds=timeout, transport=plain_transport(socket)) as client:
        return client.get(f"http://localhost{path}" if socket else url)


def _file(layout: Layout) -> Path:
    return layout.run / "watched.json"


def main() -> None:
    """Watch until SIGTERM."""
    configure("%(asctime)s %(message)s")
    layout = Layout(Path(sys.argv[1]))
    watchdog = Watchdog(Supervisor(layout))
    while True:
        time.sleep(ROUND_SECONDS)
        try:
            watchdog.look(read_watched(layout))
        except PlatformError as error:  # the platform is being stopped, or another has just restarted it
            log.warning("%s", error)


if __name__ == "__main__":
    main()
