"""One installation's facts: its folders, secrets and ports, which services are its own, and where each one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.embedded import airflow_services, mlflow_server, postgres
from infra.embedded.ports import HOST, SERVICES, Ports, variable

if TYPE_CHECKING:
    from infra.embedded.credentials import Credentials
    from infra.embedded.layout import Layout
    from tidewheel.settings import Settings

DATABASE, MLFLOW, AIRFLOW, ENDPOINT, ENVOY_ADMIN, EXPORTER = (
    f"TIDEWHEEL_{name}_URL" for name in ("DATABASE", "MLFLOW", "AIRFLOW", "ENDPOINT", "ENVOY_ADMIN", "EXPORTER")
)
URLS = (DATABASE, MLFLOW, AIRFLOW, ENDPOINT, ENVOY_ADMIN, EXPORTER)
# A variable that replaces an embedded service, and the ports that service would need.
PORTS_OF = {
    DATABASE: ("postgres",),
    MLFLOW: ("mlflow",),
    AIRFLOW: ("airflow", "airflow_logs"),
    ENDPOINT: ("endpoint", "endpoint_tls"),
    EXPORTER: ("exporter",),
}
LOGINS = {
    MLFLOW: ("TIDEWHEEL_MLFLOW_USERNAME", "TIDEWHEEL_MLFLOW_PASSWORD"),
    AIRFLOW: ("TIDEWHEEL_AIRFLOW_USERNAME", "TIDEWHEEL_AIRFLOW_PASSWORD"),
}


@dataclass(frozen=True)
class Installation:
    """One installation.

    Attributes:
        given: `TIDEWHEEL_*` variables that name services, from the environment or from platform.env;
            one that differs from our own address means an external service.
    """

    settings: Settings
    layout: Layout
    credentials: Credentials
    ports: Ports
    given: Mapping[str, str]

    @property
    def own(self) -> dict[str, str]:
        """Addresses and logins of the embedded services."""
        return {
            DATABASE: postgres.url(self.credentials.postgres_password, self.ports.postgres, postgres.LEDGER),
            MLFLOW: f"http://{HOST}:{self.ports.mlflow}",
            "TIDEWHEEL_MLFLOW_USERNAME": mlflow_server.USERNAME,
            "TIDEWHEEL_MLFLOW_PASSWORD": self.credentials.mlflow_password,
            AIRFLOW: f"http://{HOST}:{self.ports.airflow}",
            "TIDEWHEEL_AIRFLOW_USERNAME": airflow_services.USERNAME,
            "TIDEWHEEL_AIRFLOW_PASSWORD": self.credentials.airflow_password,
            ENDPOINT: f"http://{HOST}:{self.ports.endpoint}",
            ENVOY_ADMIN: f"unix://{self.layout.envoy_socket}",
            EXPORTER: f"http://{HOST}:{self.ports.exporter}",
        }

    def is_external(self, name: str) -> bool:
        """Whether the service of this variable (`DATABASE`, `MLFLOW`, ...) is somebody else's."""
        return bool(self.given.get(name)) and self.given[name].rstrip("/") != self.own[name]

    def address(self, name: str) -> str:
        """Address of the service of this variable."""
        return self.given[name] if self.is_external(name) else self.own[name]

    def variables(self) -> dict[str, str]:
        """Everything platform.env holds: where the services are, how to log in, and the ports to keep."""
        variables = self.own
        for name in URLS:
            if self.is_external(name):
                variables[name] = self.given[name]
                for login in LOGINS.get(name, ()):
                    variables[login] = self.given.get(login, "")
        return variables | self.ports.variables()

    @property
    def embedded_ports(self) -> list[str]:
        """The ports that our own services need; those of models are looked for when a model is released."""
        needed = [port for name, ports in PORTS_OF.items() if not self.is_external(name) for port in ports]
        return needed if self.settings.endpoint_certificate else [port for port in needed if port != "endpoint_tls"]


def ports_from(*sources: Mapping[str, int]) -> Ports:
    """The ports that the first source names that has them, else the usual ones."""
    chosen: dict[str, int] = {}
    for source in sources:
        chosen = {**source, **chosen}
    return Ports(**chosen)


def kept_ports(variables: Mapping[str, str]) -> dict[str, int]:
    """The ports that platform.env keeps."""
    return {name: int(variables[variable(name)]) for name in SERVICES if variables.get(variable(name), "").isdigit()}
