"""A start: steps that run at the same time, each as soon as what it needs is done, until every service answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from infra.embedded import airflow_services, postgres, watchdog
from infra.embedded.health import API_SERVER_SILENT, services
from infra.embedded.installation import DATABASE
from infra.embedded.program import ProgramState, last_lines
from infra.embedded.services import ALERTS, ENVOY, MLFLOW_SERVER, PROMETHEUS_EXPORTER
from tidewheel import ledger
from tidewheel.errors import PlatformError
from tidewheel.polling import poll

if TYPE_CHECKING:
    from infra.embedded.health import Service
    from infra.embedded.installation import Installation
    from infra.embedded.program import Program
    from infra.embedded.supervisor import Supervisor

LOOK_SECONDS = 0.4
# Generous: a slow disk must not fail a start; one that cannot succeed is noticed sooner, by its deaths.
ANSWER_SECONDS = 300.0
DEATHS = 3
DATABASES, LEDGER_TABLES, AIRFLOW_TABLES = "databases", "ledger", "airflow-db"
# A task that starts before the API server answers, or before MLflow does, would lose a try.
BEFORE_TASKS = (AIRFLOW_TABLES, LEDGER_TABLES, airflow_services.API_SERVER, MLFLOW_SERVER)
# A service that is not named here needs Airflow's tables.
NEEDS: dict[str, tuple[str, ...]] = {
    postgres.NAME: (),
    ENVOY: (),
    MLFLOW_SERVER: (DATABASES,),
    PROMETHEUS_EXPORTER: (),
    ALERTS: (),  # it waits for the ledger by itself
    airflow_services.SCHEDULER: BEFORE_TASKS,
    airflow_services.TRIGGERER: BEFORE_TASKS,
}


class ProgressReport(Protocol):
    """Receives the progress of a start or a stop; the command line shows it."""

    def note(self, sentence: str) -> None:
        """Something worth a line of its own happened."""

    def begin(self, step: str) -> None:
        """A step has begun."""

    def waiting(self, step: str, why: str) -> None:
        """A step waits, and for what."""

    def done(self, step: str, seconds: float) -> None:
        """A step is done."""


class Quiet:
    """A report that nobody reads."""

    def note(self, sentence: str) -> None:
        """Ignore it."""

    def begin(self, step: str) -> None:
        """Ignore it."""

    def waiting(self, step: str, why: str) -> None:
        """Ignore it."""

    def done(self, step: str, seconds: float) -> None:
        """Ignore it."""


class Cancelled(PlatformError):
    """Another step failed, or the user interrupted."""


@dataclass(frozen=True)
class Waiting:
    """How a step waits: it says for what, and gives up when the others do."""

    step: str
    report: ProgressReport
    cancelled: threading.Event

    def until(self, missing: Callable[[], str], timeout: float) -> str:
        """Wait until nothing is missing.

        Args:
            missing: says what is still missing, an empty string when nothing is.
            timeout: seconds.

        Returns:
            What is missing still when the time is over, an empty string when all is there.

        Raises:
            Cancelled: another step failed, or the user interrupted.
        """
        why = ""

        def pause(seconds: float) -> None:
            self.report.waiting(self.step, why)
            if self.cancelled.wait(seconds):
                raise Cancelled(f"{self.step} was cancelled")

        for _ in poll(timeout, every=LOOK_SECONDS, pause=pause):
            if not (why := missing()):
                break
        return why


@dataclass(frozen=True)
class StartupStep:
    """One thing to do.

    Attributes:
        name: what it is called.
        run: does it; returns once it is truly done.
        needs: names of the steps that must be done before; unknown names are ignored, so that a step can be left out.
    """

    name: str
    run: Callable[[Waiting], None]
    needs: tuple[str, ...] = ()


def run_steps(steps: Sequence[StartupStep], report: ProgressReport) -> None:
    """Run all steps, those that can at the same time.

    Raises:
        TidewheelError: the first error of a step; the others have been cancelled.
        KeyboardInterrupt: the user interrupted; all steps have been cancelled.
    """
    names = {step.name for step in steps}
    to_do, done = list(steps), set[str]()
    running: dict[Future[None], str] = {}
    cancelled = threading.Event()
    with ThreadPoolExecutor(max_workers=len(steps)) as pool:
        try:
            while to_do or running:
                for step in [step for step in to_do if done >= names.intersection(step.needs)]:
                    to_do.remove(step)
                    running[pool.submit(_run, step, Waiting(step.name, report, cancelled))] = step.name
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done.add(running.pop(future))
                    future.result()
        finally:
            # Leaving the pool waits for its threads: tell them first.
            cancelled.set()


def _run(step: StartupStep, waiting: Waiting) -> None:
    began = time.monotonic()
    waiting.report.begin(step.name)
    step.run(waiting)
    waiting.report.done(step.name, time.monotonic() - began)


@dataclass(frozen=True)
class Startup:
    """One start of an installation.

    Attributes:
        environment: what every service inherits.
        started: names of the services that this start has started or restarted; the others ran already.
    """

    installation: Installation
    supervisor: Supervisor
    programs: Mapping[str, Program]
    environment: Mapping[str, str]
    started: set[str] = field(default_factory=set)

    def steps(self) -> list[StartupStep]:
        """Every step, with what it needs."""
        steps = [
            StartupStep(DATABASES, self._make_databases, (postgres.NAME,)),
            StartupStep(LEDGER_TABLES, self._migrate_ledger, (DATABASES,)),
        ]
        if airflow_services.API_SERVER in self.programs:
            steps.append(StartupStep(AIRFLOW_TABLES, self._migrate_airflow, (DATABASES,)))
        steps += [self._answering(service) for service in services(self.installation)]
        return steps

    def watch(self) -> None:
        """Have the watchdog watch what runs now."""
        watched = [
            watchdog.WatchedProgram(service.name, service.watched, service.silence, watchdog.START_SECONDS)
            for service in services(self.installation)
            if service.watched
        ]
        watchdog.write_watched(self.installation.layout, watched)
        program = watchdog.program(self.installation.layout)
        if not self._ensure(program):
            self.started.discard(program.name)

    def _make_databases(self, _: Waiting) -> None:
        postgres.create_databases(self.installation.address(DATABASE))

    def _migrate_ledger(self, _: Waiting) -> None:
        ledger.migrate(self.installation.address(DATABASE))

    def _migrate_airflow(self, waiting: Waiting) -> None:
        environment = {**self.environment, **self.programs[airflow_services.API_SERVER].env}
        url = postgres.beside(self.installation.address(DATABASE), postgres.AIRFLOW)
        airflow_services.migrate(self.installation.layout, environment, url, waiting)

    def _answering(self, service: Service) -> StartupStep:
        program = self.programs[service.name]

        def run(waiting: Waiting) -> None:
            if program.name == postgres.NAME:
                waiting.report.waiting(program.name, "making its data folder")
                postgres.create_data_folder(self.installation.layout, self.installation.credentials.postgres_password)
            if self._ensure(program):
                self._restart_if_silent(service, program, waiting)
            starts: set[float] = set()

            def missing() -> str:
                status = self.supervisor.status(program.name)
                starts.update([status.since] if status.since else [])
                if status.state is ProgramState.FATAL or len(starts) > DEATHS:
                    raise self._failure(program.name, f"does not stay up ({status.problem or status.state})")
                return service.problem(status) if status.state is ProgramState.RUNNING else status.state.lower()

            if still := waiting.until(missing, ANSWER_SECONDS):
                raise self._failure(program.name, f"does not answer after {ANSWER_SECONDS:.0f} s: {still}")

        return StartupStep(service.name, run, NEEDS.get(service.name, (AIRFLOW_TABLES,)))

    def _restart_if_silent(self, service: Service, program: Program, waiting: Waiting) -> None:
        """Restart a program that runs, had the time to start, and does not answer: to wait for it would be in vain."""
        since = self.supervisor.status(program.name).since
        alone = time.time() - since > watchdog.START_SECONDS

        def missing() -> str:
            status = self.supervisor.status(program.name)
            if status.state is not ProgramState.RUNNING:
                return ""
            why = service.problem(status)
            return "" if why.startswith(API_SERVER_SILENT) else why

        patience = service.patience if alone else watchdog.START_SECONDS
        if why := waiting.until(missing, patience):
            waiting.report.note(f"{program.name} ran and did not answer for {patience:.0f} s ({why}): restarted")
            self.started.add(program.name)
            gently = program.stop_seconds + 5.0 if program.name == postgres.NAME else watchdog.STOP_SECONDS
            self.supervisor.restart(program.name, gently)

    def _ensure(self, program: Program) -> bool:
        """Supervise and start a program; one that runs with another definition is restarted with this one.

        Returns:
            Whether it ran already, and was left alone.
        """
        running = not self.supervisor.status(program.name).state.at_rest
        if running and self.supervisor.is_same(program):
            return True
        self.started.add(program.name)
        if running:
            self.supervisor.stop(program.name, program.stop_seconds + 5.0)
        self.supervisor.add(program)
        self.supervisor.spawn(program.name)
        return False

    def _failure(self, name: str, what: str) -> PlatformError:
        log = self.installation.layout.log(name)
        return PlatformError(
            f"{name} {what}. The end of its log, {log}:\n{last_lines(log) or '(empty)'}\n"
            "What did start stays up; `tidewheel down` stops it."
        )
