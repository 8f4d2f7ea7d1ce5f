"""The embedded platform as a whole: up, down, status, and the processes that a killed one left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil

from infra.embedded import airflow_services, launch, ports, postgres, watchdog
from infra.embedded.health import ServiceStatus, never_started, statuses
from infra.embedded.installation import (
    AIRFLOW,
    JAVA,
    Installation,
    check_machine,
    earlier_ports,
    find_java_home,
    inherited,
    ports_from,
    read_platform_env,
    write_platform_env,
)
from infra.embedded.layout import Layout, load_or_generate
from infra.embedded.program import last_lines, supervisord_config
from infra.embedded.services import ENVOY, MLFLOW_SERVER, NAMES, PROMETHEUS_EXPORTER, STOP_ORDER, prepare
from infra.embedded.startup import ProgressReport, Quiet, Startup, run_steps
from infra.embedded.supervisor import POLL_SECONDS, Supervisor, has_process
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError, did_you_mean
from tidewheel.file_lock import LockHeld, file_lock
from tidewheel.polling import poll
from tidewheel.settings import PLATFORM_ENV

if TYPE_CHECKING:
    from pathlib import Path

    from tidewheel.settings import Settings

SUPERVISORD_SECONDS = 20.0
END_SECONDS = 10.0
# Which service holds which port.
HOLDERS = {
    "airflow": airflow_services.API_SERVER,
    "mlflow": MLFLOW_SERVER,
    "endpoint": ENVOY,
    "postgres": postgres.NAME,
    "airflow_logs": airflow_services.LOG_SERVER,
    "exporter": PROMETHEUS_EXPORTER,
}


class Platform:
    """The embedded platform of one home.

    Args:
        settings: where home and project are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.layout = Layout(settings.home)
        self.supervisor = Supervisor(self.layout)

    def up(self, report: ProgressReport | None = None) -> set[str]:
        """Start everything that does not run, and wait until every service truly answers.

        Returns:
            Names of the services that had to be started; empty when all ran already.

        Raises:
            TidewheelError: what is missing or did not start, and what to do about it.
            KeyboardInterrupt: the user interrupted; what this call had started has been stopped again.
        """
        report = report or Quiet()
        check_machine(self.layout.home)
        self.layout.create()
        with self._exclusively():
            running = self._running()
            if not running and (ended := end_stale_processes(self.layout)):
                report.note(f"ended {ended} stale processes of a killed platform")
            installation = self._plan(running, report)
            programs, variables = prepare(installation), installation.variables()
            if not installation.is_external(AIRFLOW):  # jobs run here, and a person may start one at a terminal
                variables[JAVA] = str(find_java_home(self.layout))
            write_platform_env(self.layout.home / PLATFORM_ENV, variables)
            environment = inherited(os.environ, variables)
            try:
                start_supervisord(self.layout, environment)
                for name in set(NAMES) - programs.keys():
                    self.supervisor.remove(name)
                startup = Startup(installation, self.supervisor, programs, environment)
                run_steps(startup.steps(), report)
                self._start_models(report)
                startup.watch()
            except KeyboardInterrupt:
                report.note("interrupted; stopping what was started")
                self._stop_all(report, except_for=running)
                raise
            return startup.started

    def down(self, report: ProgressReport | None = None) -> list[str]:
        """Stop every service and supervisord.

        Returns:
            What was stopped, in order; empty when nothing ran.

        Raises:
            PlatformError: something could not be stopped.
        """
        report = report or Quiet()
        with self._exclusively() if self.layout.run.exists() else contextlib.nullcontext():
            stopped = self._stop_all(report) if self.supervisor.pid() is not None else []
            if ended := end_stale_processes(self.layout):
                report.note(f"ended {ended} stale processes")
                stopped = stopped or ["stale processes of a killed platform"]
        if self.layout.supervisor_socket.parent != self.layout.run:
            for left_behind in (self.layout.envoy_socket, self.layout.supervisor_socket):  # by Envoy, and by the killed
                left_behind.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self.layout.short_folder.rmdir()
        return stopped

    def status(self) -> list[ServiceStatus]:
        """How every service does."""
        if not (self.layout.home / PLATFORM_ENV).exists():
            return never_started()
        variables = read_platform_env(self.layout.home / PLATFORM_ENV)
        return statuses(self._installation(variables, ports_from(earlier_ports(variables))), self.supervisor)

    def log(self, name: str) -> Path:
        """Path of a service's log.

        Raises:
            PlatformError: no service of that name has ever run.
        """
        logs = sorted(path.stem for path in self.layout.logs.glob("*.log")) if self.layout.logs.exists() else []
        if name not in logs:
            known = logs or NAMES
            raise PlatformError(
                f"there is no log of {name!r}{did_you_mean(name, known)}; there are: {', '.join(logs) or 'none yet'}"
            )
        return self.layout.log(name)

    def _running(self) -> set[str]:
        if self.supervisor.pid() is None:
            return set()
        statuses = self.supervisor.statuses()
        return {status.name for status in statuses if not status.state.at_rest and status.name != watchdog.NAME}

    def _start_models(self, report: ProgressReport) -> None:
        """Start the models' services that rest, and restart those that run and do not answer.

        One that cannot start is reported, and does not fail the platform.
        """
        for name in watchdog.restart_silent_models(self.supervisor, self.layout):
            report.note(f"{name} ran and did not answer: restarted")
        for status in self.supervisor.statuses():
            if status.name not in (*NAMES, watchdog.NAME) and status.state.at_rest:
                try:
                    self.supervisor.start(status.name)
                except PlatformError as error:
                    report.note(str(error))

    def _plan(self, running: set[str], report: ProgressReport) -> Installation:
        """Settle what is ours, what is external, and on which ports."""
        earlier = earlier_ports(read_platform_env(self.layout.home / PLATFORM_ENV))
        requested = ports.requested(os.environ)
        likely = self._installation(os.environ, ports_from(requested, earlier))
        in_use = {port for service, port in earlier.items() if HOLDERS.get(service) in running}
        chosen, notes = ports.choose(requested, earlier, likely.embedded_ports, in_use)
        for note in notes:
            report.note(note)
        return self._installation(os.environ, chosen)

    def _installation(self, given: Mapping[str, str], chosen: ports.Ports) -> Installation:
        return Installation(self._settings, self.layout, load_or_generate(self.layout.secrets), chosen, dict(given))

    def _stop_all(self, report: ProgressReport, except_for: Collection[str] = ()) -> list[str]:
        """Stop in order, the models' services with the router; supervisord too unless `except_for` names services."""
        running = self._running().difference(except_for)
        if not except_for:
            # A home that was removed while it ran has no configuration left to take the watchdog out of.
            (self.supervisor.remove if self.layout.run.exists() else self.supervisor.stop)(watchdog.NAME)
        first, *rest = STOP_ORDER
        stopped: list[str] = []
        for stage in [(*first, *sorted(running - set(NAMES))), *rest]:
            names = [name for name in stage if name in running]

            def stop(name: str) -> None:
                began = time.monotonic()
                report.begin(name)
                self.supervisor.stop(name)
                report.done(name, time.monotonic() - began)

            with ThreadPoolExecutor() as pool:
                list(pool.map(stop, names))
            stopped += names
        if not except_for:
            self.supervisor.shutdown()
        return stopped

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(file_lock(self.layout.run / "platform.lock", wait=False))
            except LockHeld as held:
                raise PlatformError(
                    f"another `tidewheel up` or `down` (pid {held.holder}) is at work on {self.layout.home}; wait for "
                    "it, or interrupt it"
                ) from held
            yield


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
    for _ in poll(SUPERVISORD_SECONDS, every=POLL_SECONDS):
        if supervisor.pid() is not None:
            return supervisor
    raise PlatformError(
        f"supervisord did not answer within {SUPERVISORD_SECONDS:.0f} s; the end of {layout.supervisor_log}:\n"
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
