"""Two pipelines over the ledger of a server that a test may stop, monitored by a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bentos.metrics import Metrics
from infra.local.endpoints import LocalEndpoint, Place
from tests.conftest import PostgresServer
from tests.infra.prometheus.airflow_metrics import AirflowMetrics
from tests.infra.prometheus.envoy import RunningEnvoy
from tests.infra.prometheus.monitoring import ROOT, Monitoring, model_service, monitoring, page
from tests.pipelines import PIPELINE_FILE
from tidewheel.release import Colour
from tidewheel.release.traffic import Traffic

QUIET, BUSY = "orders", "sales"
"""A pipeline that has only what a test gives it, and whose alerts the pager hears; and one that has everything."""
TRIGGERS = "triggers: {maximum_age_days: 30, budget: {fits: 4, days: 28, burst: 2}}\n"
CLAIM = "data-tidewheel-postgres-0"


@dataclass
class Volume:
    """A volume of 100 bytes, as a kubelet's page tells of it: there is no Kubernetes beside a test."""

    available: int = 50

    def text(self) -> bytes:
        """The page."""
        labels = f'{{namespace="ml",persistentvolumeclaim="{CLAIM}"}}'
        figures = {"available": self.available, "capacity": 100}
        return "".join(
            f"kubelet_volume_stats_{name}_bytes{labels} {value}\n" for name, value in figures.items()
        ).encode()


@dataclass(frozen=True)
class Installation:
    """All of it.

    Attributes:
        folder: of the project.
        monitoring: Prometheus, Alertmanager, the exporter and the pager.
        envoy: routes both pipelines.
        services: what the service of each pipeline counts.
        volume: of the database.
    """

    folder: Path
    monitoring: Monitoring
    envoy: RunningEnvoy
    services: dict[str, Metrics]
    volume: Volume

    @property
    def file(self) -> Path:
        """The quiet pipeline's."""
        return self.folder / "dags" / f"{QUIET}.yaml"


@contextmanager
def installation(folder: Path, postgres: PostgresServer) -> Iterator[Installation]:
    """Start it, and end it."""
    for name in ("dags", "jobs", "home/endpoints", "envoy"):
        (folder / name).mkdir(parents=True)
    envoy, volume, services = RunningEnvoy(folder / "envoy", BUSY, QUIET), Volume(), {}
    with ExitStack() as stack:
        envoy.start()
        stack.callback(envoy.close)
        for name in (QUIET, BUSY):
            text = PIPELINE_FILE.replace("orders", name)
            (folder / "dags" / f"{name}.yaml").write_text(f"{text}gate: {{approval: manual}}\n{TRIGGERS}")
            port, services[name] = stack.enter_context(model_service(name, "3"))
            endpoint = LocalEndpoint(name, Traffic(Colour.BLUE), {Colour.BLUE: Place("3", "hash", (port,))})
            (folder / "home" / "endpoints" / f"{name}.json").write_text(endpoint.to_json())
        environment = {
            "TIDEWHEEL_PROJECT": str(folder),
            "TIDEWHEEL_HOME": str(folder / "home"),
            "TIDEWHEEL_DATABASE_URL": postgres.url("postgres"),
            "TIDEWHEEL_ENVOY_ADMIN_URL": envoy.admin_url,
            "TIDEWHEEL_TEAM_CPU_SECONDS": '{"shop": 7200}',
            "PYTHONPATH": str(ROOT),
        }
        kubelet = stack.enter_context(page(volume.text))
        airflow = stack.enter_context(page(AirflowMetrics().text))
        started = stack.enter_context(monitoring(folder, QUIET, environment, [kubelet, airflow]))
        yield Installation(folder, started, envoy, services, volume)
