"""The embedded platform as a whole: up, down, status."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.embedded import airflow_services, mlflow_server, ports, postgres, prerequisites, router
from infra.embedded.credentials import load_or_generate
from infra.embedded.daemon import start_supervisord
from infra.embedded.environment import inherited, project_variables, read_platform_env, write_platform_env
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, MLFLOW, Installation, kept_ports, ports_from
from infra.embedded.java import find_java_home
from infra.embedded.layout import Layout
from infra.embedded.leftovers import end_leftovers
from infra.embedded.memory import tree_memory
from infra.embedded.services import NAMES, STOP_ORDER, Service, services
from infra.embedded.steps import Quiet, Report, Step, Waiting, run_steps
from infra.embedded.supervise import ProgramStatus, State, Supervisor, last_lines
from infra.envoy.bootstrap import write_initial_state
from infra.envoy.files import EnvoyFiles
from tidewheel import ledger as ledger_tables
from tidewheel.errors import PlatformError, did_you_mean
from tidewheel.settings import PLATFORM_ENV

if TYPE_CHECKING:
    from infra.embedded.program import Program
    from tidewheel.settings import Settings

# Generous: a slow disk must not fail a start; one that cannot succeed is noticed sooner, by its deaths.
ANSWER_SECONDS = 240.0
DEATHS = 3


@dataclass(frozen=True)
class ServiceStatus:
    """How one service does.

    Attributes:
        state: `running`, or what it is instead, in a word.
        problem: why it does not run, or does not answer.
        pid: its process, 0 when there is none.
        uptime: seconds since its start.
        memory: bytes that it and its children hold, shared pages counted by their share.
    """

    name: str
    state: str
    address: str = ""
    pid: int = 0
    uptime: float = 0.0
    memory: int = 0
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it runs and answers."""
        return self.state in {"running", "external"}


class Platform:
    """The embedded platform of one home.

    Args:
        settings: where home and project are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.layout = Layout(settings.home)
        self.supervisor = Supervisor(self.layout)

    @property
    def env_file(self) -> str:
        """Path of platform.env."""
        return str(self.layout.home / PLATFORM_ENV)

    def up(self, report: Report | None = None) -> bool:
        """Start everything that does not run, and wait until every service truly answers.

        Returns:
            Whether anything had to be started.

        Raises:
            TidewheelError: what is missing or did not start, and what to do about it.
            KeyboardInterrupt: the user interrupted; what this call had started has been stopped again.
        """
        report = report or Quiet()
        prerequisites.check(self.layout.home)
        self.layout.create()
        with self._exclusively():
            running = self._running()
            if not running and (ended := end_leftovers(self.layout)):
                report.note(f"ended what a killed platform had left: {', '.join(ended)}")
            installation = self._plan(running, report)
            variables = installation.variables()
            programs = self._programs(installation)
            write_platform_env(self.layout, PLATFORM_ENV, variables)
            environment = inherited(os.environ, variables)
            try:
                start_supervisord(self.layout, environment)
                self._retire(programs)
                run_steps(self._steps(installation, programs, environment), report)
            except KeyboardInterrupt:
                # Ctrl-C leaves what ran before, and nothing half-started.
                self._stop_all(report, except_for=running)
                raise
            return not running.keys() >= programs.keys()

    def down(self, report: Report | None = None) -> list[str]:
        """Stop everything, whoever started it.

        Returns:
            What was stopped, in order; empty when nothing ran.

        Raises:
            PlatformError: something could not be stopped.
        """
        report = report or Quiet()
        if not self.layout.run.exists():
            return []
        with self._exclusively():
            stopped = self._stop_all(report) if self.supervisor.pid() is not None else []
            stopped += end_leftovers(self.layout)
        if self.layout.supervisor_socket.parent != self.layout.run:
            with contextlib.suppress(FileNotFoundError):
                self.layout.short_folder.rmdir()
        return stopped

    def status(self) -> list[ServiceStatus]:
        """How every service does, the platform's own first, then the models'."""
        if not (self.layout.home / PLATFORM_ENV).exists():
            return [ServiceStatus(name, "stopped", problem="never started here") for name in reversed(NAMES)]
        variables = read_platform_env(self.layout.home / PLATFORM_ENV)
        installation = self._installation(variables, ports_from(kept_ports(variables)))
        known: dict[str, ProgramStatus] = {}
        if self.supervisor.pid() is not None:
            known = {status.name: status for status in self.supervisor.statuses()}
        own = services(installation)
        others = [Service(name, "", lambda _: "") for name in known if name not in NAMES]
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda service: _status(service, known.get(service.name)), [*own, *others]))
        external = {DATABASE: postgres.NAME, MLFLOW: mlflow_server.NAME, AIRFLOW: "airflow", ENDPOINT: router.NAME}
        for name, service in external.items():
            if installation.is_external(name):
                # A database's address holds its password.
                shown = "" if name == DATABASE else installation.address(name)
                found.append(ServiceStatus(service, "external", shown))
        return found

    def log(self, name: str) -> str:
        """Path of a service's log.

        Raises:
            PlatformError: no service of that name has ever run.
        """
        logs = sorted(path.stem for path in self.layout.logs.glob("*.log")) if self.layout.logs.exists() else []
        known = logs or list(NAMES)
        if name not in logs:
            raise PlatformError(
                f"there is no log of {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}"
            )
        return str(self.layout.log(name))

    def _running(self) -> dict[str, ProgramStatus]:
        if self.supervisor.pid() is None:
            return {}
        return {status.name: status for status in self.supervisor.statuses() if not status.state.at_rest}

    def _plan(self, running: dict[str, ProgramStatus], report: Report) -> Installation:
        kept = kept_ports(read_platform_env(self.layout.home / PLATFORM_ENV))
        asked = ports.asked(os.environ)
        likely = ports_from(asked, kept)
        embedded = self._installation(os.environ, likely).embedded_ports
        chosen, notes = ports.choose(asked, kept, embedded, self._held(running, kept))
        for note in notes:
            report.note(note)
        return self._installation(os.environ, chosen)

    def _installation(self, given: os._Environ[str] | dict[str, str], chosen: ports.Ports) -> Installation:
        return Installation(self._settings, self.layout, load_or_generate(self.layout.secrets), chosen, dict(given))

    @staticmethod
    def _held(running: dict[str, ProgramStatus], kept: dict[str, int]) -> set[int]:
        """Ports that our own running services hold, rightly."""
        holders = {
            "postgres": postgres.NAME,
            "mlflow": mlflow_server.NAME,
            "airflow": airflow_services.API_SERVER,
            "endpoint": router.NAME,
            "envoy_admin": router.NAME,
        }
        return {port for service, port in kept.items() if holders.get(service) in running}

    def _programs(self, installation: Installation) -> dict[str, Program]:
        """What to supervise, after writing the files it reads."""
        layout, credentials, chosen = self.layout, installation.credentials, installation.ports
        ledger = installation.address(DATABASE)
        found: list[Program] = []
        if not installation.is_external(DATABASE):
            found.append(postgres.program(layout, chosen.postgres))
        if not installation.is_external(MLFLOW):
            url = postgres.beside(ledger, postgres.MLFLOW)
            mlflow_server.write_files(layout, url)
            found.append(mlflow_server.program(layout, credentials, url, chosen.mlflow))
        if not installation.is_external(AIRFLOW):
            url = postgres.beside(ledger, postgres.AIRFLOW)
            sections = airflow_services.configuration(layout, self._settings, credentials, url, chosen.airflow)
            airflow_services.write_files(layout, sections, credentials.airflow_password)
            found += airflow_services.programs(layout, project_variables(self._settings, find_java_home(layout)))
        if not installation.is_external(ENDPOINT):
            files = EnvoyFiles(layout.envoy)
            write_initial_state(files, endpoint_port=chosen.endpoint, admin_port=chosen.envoy_admin)
            found.append(router.program(files))
        return {program.name: program for program in found}

    def _steps(
        self, installation: Installation, programs: dict[str, Program], environment: dict[str, str]
    ) -> list[Step]:
        ledger = installation.address(DATABASE)

        def prepare_databases(_: Waiting) -> None:
            postgres.create_databases(ledger)

        def prepare_ledger(_: Waiting) -> None:
            ledger_tables.migrate(ledger)

        def prepare_airflow(waiting: Waiting) -> None:
            env = environment | dict(programs[airflow_services.API_SERVER].env)
            airflow_services.migrate(self.layout, env, postgres.beside(ledger, postgres.AIRFLOW), waiting)

        needs = {postgres.NAME: (), router.NAME: (), mlflow_server.NAME: ("databases",)}
        steps = [
            Step("databases", prepare_databases, (postgres.NAME,)),
            Step("ledger", prepare_ledger, ("databases",)),
        ]
        if airflow_services.API_SERVER in programs:
            steps.append(Step("airflow-db", prepare_airflow, ("databases",)))
        for service in services(installation):
            steps.append(self._start(service, programs[service.name], needs.get(service.name, ("airflow-db",))))
        return steps

    def _start(self, service: Service, program: Program, needs: tuple[str, ...]) -> Step:
        def run(waiting: Waiting) -> None:
            if program.name == postgres.NAME:
                waiting.report.waiting(program.name, "making its data folder")
                postgres.create_data_folder(self.layout, load_or_generate(self.layout.secrets).postgres_password)
            self._ensure(program)
            starts: set[float] = set()

            def missing() -> str:
                status = self.supervisor.status(program.name)
                starts.update([status.since] if status.since else [])
                if status.state is State.FATAL or len(starts) > DEATHS:
                    raise self._failure(program.name, f"does not stay up ({status.problem or status.state})")
                if status.state is not State.RUNNING:
                    return f"{status.state.lower()}"
                return service.missing(status)

            still = waiting.until(missing, ANSWER_SECONDS)
            if still:
                raise self._failure(program.name, f"does not answer after {ANSWER_SECONDS:.0f} s: {still}")

        return Step(service.name, run, needs)

    def _ensure(self, program: Program) -> None:
        """Supervise and start a program; one that runs with another definition is restarted with this one."""
        if not self.supervisor.is_same(program) and not self.supervisor.status(program.name).state.at_rest:
            self.supervisor.stop(program.name, program.stop_seconds + 5.0)
        self.supervisor.add(program)
        if self.supervisor.status(program.name).state.at_rest:
            self.supervisor.spawn(program.name)

    def _failure(self, name: str, what: str) -> PlatformError:
        log = self.layout.log(name)
        return PlatformError(
            f"{name} {what}. The end of its log, {log}:\n{last_lines(log) or '(empty)'}\n"
            "What did start stays up; `tidewheel down` stops it."
        )

    def _retire(self, programs: dict[str, Program]) -> None:
        """Forget services of ours that an external one has replaced since."""
        for status in self.supervisor.statuses():
            if status.name in NAMES and status.name not in programs:
                self.supervisor.remove(status.name)

    def _stop_all(self, report: Report, except_for: dict[str, ProgramStatus] | None = None) -> list[str]:
        """Stop in order, the models' services with the router; supervisord too unless something shall stay."""
        except_for = except_for or {}
        running = [name for name in self._running() if name not in except_for]
        first, *rest = STOP_ORDER
        stages = [(*first, *(name for name in running if name not in NAMES)), *rest]
        stopped: list[str] = []
        for stage in stages:
            names = [name for name in stage if name in running]
            with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
                for name in names:
                    report.begin(name)
                began = time.monotonic()
                for name, _ in zip(names, pool.map(self.supervisor.stop, names), strict=True):
                    report.done(name, time.monotonic() - began)
                    stopped.append(name)
        if not except_for and self.supervisor.pid() is not None:
            self.supervisor.shutdown()
        return stopped

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        with (self.layout.run / "platform.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise PlatformError(
                    f"another `tidewheel up` or `down` (pid {lock.read().strip() or 'unknown'}) is at work on "
                    f"{self.layout.home}; wait for it, or interrupt it"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def _status(service: Service, status: ProgramStatus | None) -> ServiceStatus:
    """What to tell of a service, from its program's state and from whether it answers."""
    if status is None:
        return ServiceStatus(service.name, "stopped", service.address)
    if status.state is not State.RUNNING:
        return ServiceStatus(service.name, status.state.lower(), service.address, problem=status.problem)
    problem = service.missing(status)
    return ServiceStatus(
        service.name,
        "not answering" if problem else "running",
        service.address,
        status.pid,
        max(0.0, time.time() - status.since),
        tree_memory(status.pid),
        problem,
    )
