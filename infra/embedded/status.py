"""How every service of an installation does."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.embedded import exporter, mlflow_server, postgres, router, watchdog
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, EXPORTER, MLFLOW
from infra.embedded.memory import tree_memory
from infra.embedded.services import NAMES, Service, services
from infra.embedded.supervise import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from infra.embedded.installation import Installation
    from infra.embedded.supervise import ProgramStatus, Supervisor

EXTERNAL = {
    DATABASE: postgres.NAME,
    MLFLOW: mlflow_server.NAME,
    AIRFLOW: "airflow",
    ENDPOINT: router.NAME,
    EXPORTER: exporter.NAME,
}


@dataclass(frozen=True)
class ServiceStatus:
    """How one service does.

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


def statuses(installation: Installation, supervisor: Supervisor) -> list[ServiceStatus]:
    """How every service does: the platform's own, the models', and those that are somebody else's."""
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


def at_fault(found: Iterable[ServiceStatus], routed: Collection[str]) -> list[ServiceStatus]:
    """Services that somebody should look after.

    Args:
        found: all of them.
        routed: names of the models' services that requests are sent to. The others may be starting or stopping: a
            release is at work.
    """

    def released(service: ServiceStatus) -> bool:
        theirs = service.name not in NAMES and service.name not in routed
        return theirs and service.state in {State.STARTING.lower(), State.STOPPING.lower()}

    return [service for service in found if not service.ok and not released(service)]


def never_started() -> list[ServiceStatus]:
    """What to say of a home in which `tidewheel up` has never run."""
    return [ServiceStatus(name, "stopped") for name in NAMES]


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
