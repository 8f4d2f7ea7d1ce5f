"""The embedded services: the order they start and stop in, and how to tell that one truly answers."""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from infra.embedded import airflow_services, alerts, exporter, mlflow_server, postgres, router, watchdog
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, ENVOY_ADMIN, EXPORTER, MLFLOW, Installation
from infra.embedded.ports import HOST
from infra.envoy.admin import EnvoyAdmin

if TYPE_CHECKING:
    from infra.embedded.supervise import ProgramStatus

NOT_FOUND = 404
API_SERVER_SILENT = "the API server does not tell its health yet"
"""Why a process of Airflow's is not known to be well, and no fault of its own."""
HEARTBEAT_SECONDS = 120.0
"""A process of Airflow's that is busy sends none for a while."""
# Traffic stops first; Airflow's API server outlives the workers that report to it, PostgreSQL outlives everybody.
STOP_ORDER = (
    (router.NAME,),
    (airflow_services.SCHEDULER, airflow_services.DAG_PROCESSOR, airflow_services.TRIGGERER),
    (airflow_services.API_SERVER, airflow_services.LOG_SERVER, mlflow_server.NAME, exporter.NAME, alerts.NAME),
    (postgres.NAME,),
)
NAMES = tuple(name for stage in STOP_ORDER for name in stage)
_making_client = threading.Lock()


@dataclass(frozen=True)
class Service:
    """One embedded service.

    Attributes:
        name: also of its program and its log.
        address: where it answers, empty for one that is asked through another.
        missing: given the state of its program, says why it does not answer, an empty string when it does.
        patience: seconds that it may be alive without an answer before `tidewheel up` restarts it.
        watched: what it answers over HTTP, see `infra.embedded.watchdog.Watched`; empty: nobody restarts it meanwhile.
        silence: seconds without an answer before the watchdog restarts it.
    """

    name: str
    address: str
    missing: Callable[[ProgramStatus], str]
    patience: float = 20.0
    watched: tuple[str, ...] = ()
    silence: float = watchdog.SILENCE


def services(installation: Installation) -> list[Service]:
    """The services of an installation that are its own, in the order of their dependence."""
    found = []
    if not installation.is_external(DATABASE):
        url = installation.own[DATABASE]
        found.append(
            Service(postgres.NAME, f"{HOST}:{installation.ports.postgres}", lambda _: postgres.refusal(url), 60.0)
        )
    if not installation.is_external(MLFLOW):
        address = installation.own[MLFLOW]
        health = f"{address}/health"
        found.append(Service(mlflow_server.NAME, address, lambda _: _unanswered(health), watched=(health,)))
    if not installation.is_external(AIRFLOW):
        logs = f"http://{HOST}:{installation.ports.airflow_logs}"
        found += _airflow(installation.own[AIRFLOW], logs)
    if not installation.is_external(ENDPOINT):
        endpoint, admin = installation.own[ENDPOINT], EnvoyAdmin(installation.own[ENVOY_ADMIN])
        found.append(
            Service(
                router.NAME,
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
        found.append(Service(exporter.NAME, f"{address}/metrics", lambda _: _unanswered(alive), watched=(alive,)))
    # It listens on no port. A round that hangs ends its process, see `tidewheel.alerts.service`.
    found.append(Service(alerts.NAME, "", lambda _: ""))
    return found


def _airflow(address: str, logs: str) -> list[Service]:
    health = f"{address}/api/v2/monitor/health"
    asked = {
        airflow_services.SCHEDULER: "scheduler",
        airflow_services.DAG_PROCESSOR: "dag_processor",
        airflow_services.TRIGGERER: "triggerer",
    }
    return [
        Service(airflow_services.API_SERVER, address, lambda _: _unanswered(health), watched=(health,)),
        # It has no page for us, and to say so is an answer.
        Service(airflow_services.LOG_SERVER, logs, lambda _: _unanswered(logs, expected=NOT_FOUND), watched=(logs,)),
        *(
            Service(name, "", lambda status, part=part: _no_heartbeat(health, part, status.since), HEARTBEAT_SECONDS)  # type: ignore[misc]
            for name, part in asked.items()
        ),
    ]


def _no_heartbeat(health: str, part: str, since: float) -> str:
    """Why Airflow does not call one of its parts healthy, from a heartbeat of the process that runs now."""
    answer = _get(health)
    if isinstance(answer, str):
        return f"{API_SERVER_SILENT} ({answer})"
    found = answer.get(part, {})
    heartbeat = found.get(f"latest_{part}_heartbeat")
    if not heartbeat or dt.datetime.fromisoformat(heartbeat).timestamp() < since:
        return "no heartbeat yet"
    return "" if found.get("status") == "healthy" else f"{found.get('status')}, last heartbeat {heartbeat}"


def _unanswered(url: str, expected: int = 200) -> str:
    answer = _get(url, expected)
    return answer if isinstance(answer, str) else ""


def _client() -> httpx.Client:
    # One for all: making a client costs more than an answer. Services are looked at by several threads at once.
    with _making_client:
        return _make_client()


@functools.cache
def _make_client() -> httpx.Client:
    client = httpx.Client(timeout=5.0, trust_env=False)  # no proxy: the services are on this machine
    atexit.register(client.close)
    return client


def _get(url: str, expected: int = 200) -> dict[str, Any] | str:
    """JSON of a page, an empty object where it is no JSON, or in words why there is no answer."""
    try:
        answer = _client().get(url)
    except httpx.TransportError as error:
        return f"{url}: {str(error) or type(error).__name__}"
    if answer.status_code != expected:
        return f"{url}: HTTP {answer.status_code}"
    if "json" not in answer.headers.get("content-type", ""):
        return {}
    found = answer.json()
    return found if isinstance(found, dict) else {}
