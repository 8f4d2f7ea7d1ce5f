"""Which port each embedded service listens on: as requested, as before, or the first free one from its usual port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import psutil

from tidewheel.errors import SettingsError
from tidewheel.polling import poll

HOST = "127.0.0.1"
BASE_VARIABLE = "TIDEWHEEL_PORT_BASE"
LAST_PORT = 65535
ROW = 100
"""So many ports belong to an installation that is given TIDEWHEEL_PORT_BASE."""
# For a port that was ours: a killed process can no longer be seen a moment before the system closes its sockets.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Ports:
    """The ports of one installation, by service; the defaults are the usual ones.

    Attributes:
        endpoint_tls: of the encrypted endpoint, where there is a certificate.
        models: the first of those that the model services take, two to a pipeline, for each of its replicas.
    """

    airflow: int = 8080
    mlflow: int = 5000
    endpoint: int = 8000
    postgres: int = 5433
    airflow_logs: int = 8793
    exporter: int = 9464
    endpoint_tls: int = 8443
    models: int = 21_000

    def variables(self) -> dict[str, str]:
        """The ports as `TIDEWHEEL_<SERVICE>_PORT` variables."""
        return {variable(name): str(port) for name, port in asdict(self).items()}


SERVICES = tuple(field.name for field in fields(Ports))
PURPOSES = {
    "airflow": "Airflow's web server and API",
    "mlflow": "MLflow's tracking and registry server",
    "endpoint": "the router in front of the model services, unencrypted",
    "postgres": "PostgreSQL",
    "airflow_logs": "logs of Airflow's tasks, read by its web server",
    "exporter": "the Prometheus exporter",
    "endpoint_tls": "the router with TLS; used only with TIDEWHEEL_ENDPOINT_CERTIFICATE",
    "models": "first port of the model services",
}
"""What listens on each port."""
MODEL_PORTS = ROW - SERVICES.index("models")
"""How many ports the model services may take, from `Ports.models` on."""


def variable(service: str) -> str:
    """Name of the variable that sets the port of a service."""
    return f"TIDEWHEEL_{service.upper()}_PORT"


def requested(environment: Mapping[str, str]) -> dict[str, int]:
    """Ports that variables request: `TIDEWHEEL_PORT_BASE` for all, in a row of 100; `TIDEWHEEL_<SERVICE>_PORT` for one.

    Raises:
        SettingsError: a value is not a port.
    """
    ports: dict[str, int] = {}
    if environment.get(BASE_VARIABLE):
        base = _port(BASE_VARIABLE, environment[BASE_VARIABLE])
        if base + ROW - 1 > LAST_PORT:
            raise SettingsError(
                f"{BASE_VARIABLE} is {base}: a row of {ROW} ports begins there, so that it can be at most "
                f"{LAST_PORT - ROW + 1}"
            )
        ports = {service: base + offset for offset, service in enumerate(SERVICES)}
    for service in SERVICES:
        if environment.get(variable(service)):
            ports[service] = _port(variable(service), environment[variable(service)])
    return ports


def choose(
    requested: Mapping[str, int],
    earlier: Mapping[str, int],
    needed: Collection[str],
    in_use: Collection[int],
    *,
    is_free: Callable[[int], bool] | None = None,
    holder: Callable[[int], str] | None = None,
) -> tuple[Ports, list[str]]:
    """Choose the ports of this start.

    Args:
        requested: by variables.
        earlier: what an earlier start chose.
        needed: the services that need a port; the ports of the others are not checked.
        in_use: ports that this installation's running services hold.
        is_free: whether a port can be bound.
        holder: who holds a port, in words, empty where that is not known.

    Returns:
        The ports, and a sentence for each that is not the usual one and was not requested.

    Raises:
        SettingsError: a port that was requested, or chosen by an earlier start, is taken, or named twice.
    """
    is_free, holder = is_free or can_bind, holder or holder_of
    usual, chosen, notes = asdict(Ports()), dict[str, int](), list[str]()
    for service in SERVICES:
        settled = requested.get(service, earlier.get(service))
        if service not in needed:
            chosen[service] = settled or usual[service]
            continue
        taken = {port: name for name, port in chosen.items() if name in needed}
        if settled is None:
            port = _first_free(usual[service], taken.keys() | set(requested.values()) | set(earlier.values()), is_free)
            if port != usual[service]:
                notes.append(f"port {usual[service]} is taken{holder(usual[service])}: {service} uses {port}")
        else:
            port = settled
            if port in taken:
                raise SettingsError(
                    f"{variable(service)} and {variable(taken[port])} are both {port}; give each a port of its own"
                )
            patience = PATIENCE_SECONDS if port == earlier.get(service) else 0.0
            if port not in in_use and not _comes_free(port, is_free, patience):
                raise SettingsError(
                    f"port {port} of {service} is taken{holder(port)}; free it, "
                    f"or set {variable(service)} to another port"
                )
        chosen[service] = port
    return Ports(**chosen), notes


def hostname() -> str:
    """The name under which Airflow's processes reach their log server, whatever the machine calls itself."""
    return "localhost"


def ports_of(place: Mapping[str, Any]) -> tuple[int, ...]:
    """Ports of a colour's replicas, from its entry in an endpoint's file.

    Files of releases before replicas hold one `port` instead of a list.
    """
    return tuple(place["ports"]) if "ports" in place else (place["port"],)


def can_bind(port: int) -> bool:
    """Whether this port of 127.0.0.1 is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Who listens on a port, as ` by NAME (pid N)`; empty where this user may not know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})" if connection.pid else ""
    except psutil.Error:
        return ""
    return ""


def _comes_free(port: int, is_free: Callable[[int], bool], patience: float) -> bool:
    return any(is_free(port) for _ in poll(patience, every=0.05))


def _first_free(usual: int, taken: Collection[int], is_free: Callable[[int], bool]) -> int:
    for port in range(usual, LAST_PORT):
        if port not in taken and is_free(port):
            return port
    raise SettingsError(f"no port from {usual} to {LAST_PORT} is free on {HOST}")


def _port(name: str, value: str) -> int:
    if not value.isdigit() or not 0 < int(value) <= LAST_PORT:
        raise SettingsError(f"{name} is {value!r}, expected a port number from 1 to {LAST_PORT}")
    return int(value)
