"""What a start consists of: the programs to supervise, and the steps that bring each of them to answer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.embedded import airflow_services, alerts, exporter, mlflow_server, postgres, router, watchdog
from infra.embedded.environment import project_variables
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, EXPORTER, MLFLOW
from infra.embedded.java import find_java_home
from infra.embedded.services import API_SERVER_SILENT, services
from infra.embedded.steps import Step
from infra.embedded.supervise import State, last_lines
from infra.envoy.bootstrap import Tls, write_initial_state
from infra.envoy.files import EnvoyFiles
from infra.envoy.observation import Observation
from tidewheel import ledger
from tidewheel.errors import PlatformError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.installation import Installation
    from infra.embedded.program import Program
    from infra.embedded.services import Service
    from infra.embedded.steps import Waiting
    from infra.embedded.supervise import Supervisor
    from tidewheel.settings import Settings

# Generous: a slow disk must not fail a start; one that cannot succeed is noticed sooner, by its deaths.
ANSWER_SECONDS = 300.0
DEATHS = 3
DATABASES, LEDGER_TABLES, AIRFLOW_TABLES = "databases", "ledger", "airflow-db"
# A task that starts before the API server answers, or before MLflow does, would lose a try.
BEFORE_TASKS = (AIRFLOW_TABLES, LEDGER_TABLES, airflow_services.API_SERVER, mlflow_server.NAME)
# Whoever is not named here needs Airflow's tables.
NEEDS: dict[str, tuple[str, ...]] = {
    postgres.NAME: (),
    router.NAME: (),
    mlflow_server.NAME: (DATABASES,),
    exporter.NAME: (),
    alerts.NAME: (),  # it waits for the ledger by itself
    airflow_services.SCHEDULER: BEFORE_TASKS,
    airflow_services.TRIGGERER: BEFORE_TASKS,
}


def prepare(installation: Installation) -> dict[str, Program]:
    """Write the files that the embedded services read, and return the programs to supervise, by name."""
    layout, credentials, ports = installation.layout, installation.credentials, installation.ports
    variables = project_variables(installation.settings, find_java_home(layout))
    found = [alerts.program(layout, variables)]
    if not installation.is_external(EXPORTER):
        found.append(exporter.program(layout, variables, ports.exporter))
    if not installation.is_external(DATABASE):
        found.append(postgres.program(layout, ports.postgres))
    if not installation.is_external(MLFLOW):
        url = postgres.beside(installation.address(DATABASE), postgres.MLFLOW)
        mlflow_server.write_files(layout, url)
        found.append(mlflow_server.program(layout, credentials, url, ports.mlflow))
    if not installation.is_external(AIRFLOW):
        url = postgres.beside(installation.address(DATABASE), postgres.AIRFLOW)
        sections = airflow_services.configuration(layout, installation.settings, credentials, url, ports)
        sections |= airflow_services.telemetry(os.environ)
        airflow_services.write_files(layout, sections, credentials.airflow_password)
        found += airflow_services.programs(layout, variables, ports)
    if not installation.is_external(ENDPOINT):
        files = EnvoyFiles(layout.envoy)
        write_initial_state(
            files,
            endpoint_port=ports.endpoint,
            admin_socket=layout.envoy_socket,
            endpoint_host=installation.settings.endpoint_host,
            tls=_tls(installation.settings, installation.ports.endpoint_tls),
            observation=Observation.from_environment(os.environ),
        )
        found.append(router.program(files))
    return {program.name: program for program in found}


def _tls(settings: Settings, port: int) -> Tls | None:
    """The encrypted endpoint, where the settings name a certificate.

    Raises:
        SettingsError: certificate and key are not both there.
    """
    named = {"CERTIFICATE": settings.endpoint_certificate, "KEY": settings.endpoint_key}
    if not any(named.values()):
        return None
    for name, path in named.items():
        if path is None or not path.is_file():
            raise SettingsError(
                f"TIDEWHEEL_ENDPOINT_{name} is {path}: no such file; TLS needs both, "
                "TIDEWHEEL_ENDPOINT_CERTIFICATE and TIDEWHEEL_ENDPOINT_KEY, as files in PEM"
            )
    certificate, key = (path.absolute() for path in named.values() if path is not None)
    return Tls(port, certificate, key)


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

    def steps(self) -> list[Step]:
        """Every step, with what it needs."""
        steps = [
            Step(DATABASES, self._make_databases, (postgres.NAME,)),
            Step(LEDGER_TABLES, self._migrate_ledger, (DATABASES,)),
        ]
        if airflow_services.API_SERVER in self.programs:
            steps.append(Step(AIRFLOW_TABLES, self._migrate_airflow, (DATABASES,)))
        steps += [self._answering(service) for service in services(self.installation)]
        return steps

    def watch(self) -> None:
        """Have the watchdog watch what runs now."""
        found = services(self.installation)
        watched = [
            watchdog.Watched(service.name, service.watched, service.silence, watchdog.START_SECONDS)
            for service in found
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

    def _answering(self, service: Service) -> Step:
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
                if status.state is State.FATAL or len(starts) > DEATHS:
                    raise self._failure(program.name, f"does not stay up ({status.problem or status.state})")
                return service.missing(status) if status.state is State.RUNNING else status.state.lower()

            if still := waiting.until(missing, ANSWER_SECONDS):
                raise self._failure(program.name, f"does not answer after {ANSWER_SECONDS:.0f} s: {still}")

        return Step(service.name, run, NEEDS.get(service.name, (AIRFLOW_TABLES,)))

    def _restart_if_silent(self, service: Service, program: Program, waiting: Waiting) -> None:
        """Restart a program that runs, had the time to start, and does not answer: to wait for it would be in vain."""
        since = self.supervisor.status(program.name).since
        alone = time.time() - since > watchdog.START_SECONDS

        def missing() -> str:
            status = self.supervisor.status(program.name)
            if status.state is not State.RUNNING:
                return ""
            why = service.missing(status)
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
