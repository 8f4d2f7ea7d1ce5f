"""Whether each service answers, and what `tidewheel status` shows of it."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from infra.embedded import airflow_services, postgres, watchdog
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, ENVOY_ADMIN, EXPORTER, MLFLOW, Installation
from infra.embedded.ports import HOST
from infra.embedded.program import ProgramState
from infra.embedded.services import ALERTS, ENVOY, MLFLOW_SERVER, NAMES, PROMETHEUS_EXPORTER
from infra.envoy.admin import EnvoyAdmin
from tidewheel.http_client import failure, json_object

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from infra.embedded.program import ProgramStatus
    from infra.embedded.supervisor import Supervisor

NOT_FOUND = 404
API_SERVER_SILENT = "the API server does not report its health yet"
"""Why the health of Airflow's other processes is not known; no fault of theirs."""
HEARTBEAT_SECONDS = 120.0
"""A process of Airflow's that is busy sends none for a while."""
EXTERNAL = {
    DATABASE: postgres.NAME,
    MLFLOW: MLFLOW_SERVER,
    AIRFLOW: "airflow",
    ENDPOINT: ENVOY,
    EXPORTER: PROMETHEUS_EXPORTER,
}
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Service:
    """One embedded service.

    Attributes:
        name: also of its program and its log.
        address: where it answers, empty for one whose health another reports.
        problem: given the state of its program, says why it does not answer, an empty string when it does.
        patience: seconds that it may be alive without an answer before `tidewheel up` restarts it.
        watched: what it answers over HTTP, see `WatchedProgram`; empty: the watchdog leaves it alone.
        silence: seconds without an answer before the watchdog restarts it.
    """

    name: str
    address: str
    problem: Callable[[ProgramStatus], str]
    patience: float = 20.0
    watched: tuple[str, ...] = ()
    silence: float = watchdog.SILENCE


@dataclass(frozen=True)
class ServiceStatus:
    """The status of one service.

    Attributes:
        state: `running`, `external`, or what it is instead, in a word or two.
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


def services(installation: Installation) -> list[Service]:
    """The services of an installation that are its own, in the order of their dependence."""
    own = []
    if not installation.is_external(DATABASE):
        url = installation.own[DATABASE]
        own.append(
            Service(postgres.NAME, f"{HOST}:{installation.ports.postgres}", lambda _: postgres.refusal(url), 60.0)
        )
    if not installation.is_external(MLFLOW):
        address = installation.own[MLFLOW]
        health = f"{address}/health"
        own.append(Service(MLFLOW_SERVER, address, lambda _: _unanswered(health), watched=(health,)))
    if not installation.is_external(AIRFLOW):
        logs = f"http://{HOST}:{installation.ports.airflow_logs}"
        own += _airflow(installation.own[AIRFLOW], logs)
    if not installation.is_external(ENDPOINT):
        endpoint, admin = installation.own[ENDPOINT], EnvoyAdmin(installation.own[ENVOY_ADMIN])
        own.append(
            Service(
                ENVOY,
                endpoint,
                lambda _: admin.ready() or _unanswered(f"{endpoint}/healthz"),
                patience=5.0,
                watched=(f"{admin.url}#/ready", f"{endpoint}/healthz"),
                silence=watchdog.ROUTER_SILENCE,
            )
        )
    if not installation.is_external(EXPORTER):
        address = installation.own[EXPORTER]
        alive = f"{address}/healthz"
        own.append(Service(PROMETHEUS_EXPORTER, f"{address}/metrics", lambda _: _unanswered(alive), watched=(alive,)))
    # It listens on no port. A round that hangs ends its process, see `tidewheel.alerts.service`.
    own.append(Service(ALERTS, "", lambda _: ""))
    return own


def _airflow(address: str, logs: str) -> list[Service]:
    health = f"{address}/api/v2/monitor/health"
    parts = {
        airflow_services.SCHEDULER: "scheduler",
        airflow_services.DAG_PROCESSOR: "dag_processor",
        airflow_services.TRIGGERER: "triggerer",
    }
    return [
        Service(airflow_services.API_SERVER, address, lambda _: _unanswered(health), watched=(health,)),
        # It has no page here: 404 is its answer.
        Service(airflow_services.LOG_SERVER, logs, lambda _: _unanswered(logs, expected=NOT_FOUND), watched=(logs,)),
        *(
            Service(name, "", lambda status, part=part: _no_heartbeat(health, part, status.since), HEARTBEAT_SECONDS)  # type: ignore[misc]
            for name, part in parts.items()
        ),
    ]


def _no_heartbeat(health: str, part: str, since: float) -> str:
    """Why Airflow does not call one of its parts healthy, from a heartbeat of the process that runs now."""
    answer = _get(health)
    if isinstance(answer, str):
        return f"{API_SERVER_SILENT} ({answer})"
    process = answer.get(part, {})
    heartbeat = process.get(f"latest_{part}_heartbeat")
    if not heartbeat or dt.datetime.fromisoformat(heartbeat).timestamp() < since:
        return "no heartbeat yet"
    return "" if process.get("status") == "healthy" else f"{process.get('status')}, last heartbeat {heartbeat}"


def _unanswered(url: str, expected: int = 200) -> str:
    answer = _get(url, expected)
    return answer if isinstance(answer, str) else ""


def _get(url: str, expected: int = 200) -> dict[str, Any] | str:
    """JSON of a page, an empty object where it is no JSON, or in words why there is no answer."""
    try:
        response = watchdog.get(url, ANSWER_SECONDS)
    except httpx.HTTPError as error:
        return f"{url}: {failure(error)}"
    return json_object(response) or {} if response.status_code == expected else f"{url}: HTTP {response.status_code}"


def statuses(installation: Installation, supervisor: Supervisor) -> list[ServiceStatus]:
    """The status of every service: the platform's own, the models', and the external ones."""
    known: dict[str, ProgramStatus] = {}
    if supervisor.pid() is not None:
        known = {status.name: status for status in supervisor.statuses()}
    models = [Service(name, "", lambda _: "") for name in known if name not in (*NAMES, watchdog.NAME)]
    with ThreadPoolExecutor() as pool:
        own = list(
            pool.map(lambda service: _status(service, known.get(service.name)), [*services(installation), *models])
        )
    external = [
        # A database's address holds its password.
        ServiceStatus(service, "external", "" if name == DATABASE else installation.address(name))
        for name, service in EXTERNAL.items()
        if installation.is_external(name)
    ]
    return own + external


def tree_memory(pid: int) -> int:
    """Bytes that a process and its descendants hold, pages they share with others counted by their share (PSS)."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_proportional(member.pid) for member in members)


def at_fault(services: Iterable[ServiceStatus], routed: Collection[str]) -> list[ServiceStatus]:
    """Services that do not run or do not answer, and should.

    Args:
        services: all of them.
        routed: names of the models' services that requests are sent to. The others may be starting or stopping: a
            release is at work.
    """

    def released(service: ServiceStatus) -> bool:
        theirs = service.name not in NAMES and service.name not in routed
        return theirs and service.state in {ProgramState.STARTING.lower(), ProgramState.STOPPING.lower()}

    return [service for service in services if not service.ok and not released(service)]


def never_started() -> list[ServiceStatus]:
    """What to say of a home in which `tidewheel up` has never run."""
    return [ServiceStatus(name, "stopped") for name in NAMES]


def _status(service: Service, status: ProgramStatus | None) -> ServiceStatus:
    """The status of a service, from its program's state and from whether it answers."""
    if status is None:
        return ServiceStatus(service.name, "stopped", service.address)
    if status.state is not ProgramState.RUNNING:
        return ServiceStatus(service.name, status.state.lower(), service.address, problem=status.problem)
    problem = service.problem(status)
    return ServiceStatus(
        service.name,
        "not answering" if problem else "running",
        service.address,
        status.pid,
        max(0.0, time.time() - status.since),
        tree_memory(status.pid),
        problem,
    )


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended, or is none of ours
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
