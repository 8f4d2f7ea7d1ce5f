"""Airflow's processes, its configuration file and its database."""

from __future__ import annotations

import configparser
import contextlib
import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded import postgres
from infra.embedded.layout import USERNAME
from infra.embedded.ports import HOST
from infra.embedded.program import Program, last_lines
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError
from tidewheel.logs import is_json
from tidewheel.project import plugins_folder
from tidewheel.tracing import is_on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Credentials, Layout
    from infra.embedded.ports import Ports
    from infra.embedded.startup import Waiting
    from tidewheel.settings import Settings

API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER, LOG_SERVER = (
    f"airflow-{process}" for process in ("api-server", "scheduler", "dag-processor", "triggerer", "log-server")
)
COMMANDS = {
    API_SERVER: ("api-server",),
    # Their own log servers would listen on every interface: ours, for both, listens on this machine only.
    SCHEDULER: ("scheduler", "--skip-serve-logs"),
    DAG_PROCESSOR: ("dag-processor",),
    TRIGGERER: ("triggerer", "--skip-serve-logs"),
}
DAY = 24 * 3600
METRICS_RECEIVER, METRICS_TIMEOUT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"
MIGRATION_SECONDS = 600.0
COLLECTOR_SECONDS = "2"
RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"


def configuration(
    layout: Layout, settings: Settings, credentials: Credentials, database_url: str, ports: Ports
) -> dict[str, dict[str, object]]:
    """Airflow's configuration, by section: what differs from its defaults, and why."""
    address = f"http://{HOST}:{ports.airflow}"
    return {
        "core": {
            "dags_folder": settings.pipelines_folder,
            "plugins_folder": plugins_folder(settings.project),
            "load_examples": False,
            "executor": "LocalExecutor",
            # The executor forks this many workers at once, at ~120 MB each.
            "parallelism": 4,
            "max_active_tasks_per_dag": 4,
            "fernet_key": credentials.airflow_fernet_key,
            "simple_auth_manager_users": f"{USERNAME}:admin",
            "simple_auth_manager_passwords_file": password_file(layout),
            "execution_api_server_url": f"{address}/execution/",
            "hostname_callable": "infra.embedded.ports.hostname",
            # A changed DAG shows as soon as it is parsed.
            "min_serialized_dag_update_interval": 5,
            # Each task imports its DAG's file; on a busy node with cold caches that took more than the default 30 s.
            "dagbag_import_timeout": 120,
        },
        "database": {"sql_alchemy_conn": database_url},
        "logging": {
            "base_log_folder": layout.airflow / "logs",
            "worker_log_server_port": ports.airflow_logs,
            "trigger_log_server_port": ports.airflow_logs,
            "json_logs": is_json(),
        },
        "traces": {"otel_on": is_on()},
        "api": {
            "host": HOST,
            "port": ports.airflow,
            "base_url": address,
            "workers": 1,
            "secret_key": credentials.airflow_secret_key,
            "expose_config": False,
            "instance_name": "Tidewheel",
        },
        # On where a receiver is named: see `telemetry`.
        "metrics": {"otel_on": False},
        "api_auth": {"jwt_secret": credentials.airflow_jwt_secret, "jwt_issuer": "tidewheel"},
        # A task's token is renewed only while its heartbeats arrive: let it outlive a suspended laptop.
        "execution_api": {"jwt_expiration_time": DAY},
        # A task waits two minutes for an API server that is being started again, and loses no try. Its own heartbeats
        # wait as well: after as long without one, the scheduler takes it for dead.
        # A worker notices the end of its task at its next heartbeat. A deferred task whose trigger fires before that is
        # taken for lost and retried (https://github.com/apache/airflow/issues/72716): so let it not be the default 5 s.
        "workers": {"execution_api_retries": 40, "execution_api_retry_wait_max": 5, "min_heartbeat_interval": 2},
        "scheduler": {
            "catchup_by_default": False,
            # A killed scheduler's tasks are found within a minute, not in five.
            "orphaned_tasks_check_interval": 30,
            "task_instance_heartbeat_timeout": 120,
        },
        "dag_processor": {
            # A new pipeline appears within seconds of being written.
            "refresh_interval": 10,
            "min_file_process_interval": 30,
            "parsing_processes": 2,
            "print_stats_interval": 300,
            "dag_bundle_storage_path": layout.airflow / "bundles",
        },
    }


def telemetry(environment: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Options that have Airflow send its metrics, where OpenTelemetry's variable for metrics names a receiver."""
    return {"metrics": {"otel_on": True}} if environment.get(METRICS_RECEIVER) else {}


def write_files(layout: Layout, sections: Mapping[str, Mapping[str, object]], password: str) -> None:
    """Write `airflow.cfg` and the file with the user's password."""
    parser = configparser.RawConfigParser()
    for name, options in sections.items():
        # Airflow expands percent signs when it reads them back.
        parser[name] = {key: str(value).replace("%", "%%") for key, value in options.items()}
    text = io.StringIO()
    text.write("# Written by `tidewheel up`; changes here are lost.\n")
    parser.write(text)
    write_private(configuration_file(layout), text.getvalue())
    write_private(password_file(layout), json.dumps({USERNAME: password}) + "\n")


def programs(layout: Layout, variables: Mapping[str, str], ports: Ports) -> list[Program]:
    """The processes.

    Args:
        layout: the installation.
        variables: what jobs need to find the project; Airflow passes them on.
        ports: where the log server listens.
    """
    airflow = str(Path(sys.executable).with_name("airflow"))
    commands = {name: (airflow, *arguments) for name, arguments in COMMANDS.items()}
    log_server = ("-m", "uvicorn", "--factory", "airflow.utils.serve_logs.log_server:get_app", "--no-access-log")
    commands[LOG_SERVER] = (sys.executable, *log_server, "--host", HOST, "--port", str(ports.airflow_logs))
    env = {**variables, **_tracing(os.environ), **_metrics(os.environ), "AIRFLOW_HOME": str(layout.airflow)}
    reads = (configuration_file(layout), password_file(layout))
    return [
        Program(name, command, env, directory=layout.airflow, reads=reads, autostart=False, stop_seconds=20)
        for name, command in commands.items()
    ]


def _tracing(environment: Mapping[str, str]) -> dict[str, str]:
    """Airflow's own choice would be gRPC, on another port, and ten seconds for a task to wait for its collector.

    Its spans would be of `unknown_service`. Jobs inherit these variables, and name their service themselves.
    """
    if not is_on(environment):
        return {}
    timeout = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
    variables = {"OTEL_TRACES_EXPORTER": "otlp_proto_http", timeout: environment.get(timeout) or COLLECTOR_SECONDS}
    given = environment.get(RESOURCE, "")
    if not environment.get("OTEL_SERVICE_NAME") and "service.name=" not in given:
        variables[RESOURCE] = ",".join(part for part in (given, "service.name=Airflow") if part)
    return variables


def _metrics(environment: Mapping[str, str]) -> dict[str, str]:
    """How long a task waits, at its end, for a receiver of metrics that does not answer: by default 10 s, and twice."""
    if not environment.get(METRICS_RECEIVER):
        return {}
    return {METRICS_TIMEOUT: environment.get(METRICS_TIMEOUT) or COLLECTOR_SECONDS}


def migrate(layout: Layout, env: Mapping[str, str], database_url: str, waiting: Waiting) -> None:
    """Bring Airflow's database to this version's form, unless an earlier start has done so.

    Raises:
        PlatformError: the migration failed; the message ends with its last lines.
    """
    stamp = layout.airflow / "migrated.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == _stamp(database_url):
        return
    log = layout.log("airflow-db")
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(  # noqa: S603 - our own environment's Airflow
            command, env=dict(env), cwd=layout.airflow, stdout=file, stderr=file
        )
    try:
        waiting.until(lambda: "" if process.poll() is not None else "migrating Airflow's database", MIGRATION_SECONDS)
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        raise PlatformError(f"`airflow db migrate` failed; the end of {log}:\n{last_lines(log)}")
    write_private(stamp, json.dumps(_stamp(database_url)) + "\n")


def configuration_file(layout: Layout) -> Path:
    """Airflow's configuration file."""
    return layout.airflow / "airflow.cfg"


def password_file(layout: Layout) -> Path:
    """The file in which Airflow's login looks up the password."""
    return layout.airflow / "passwords.json"


def _stamp(database_url: str) -> dict[str, str | None]:
    """What the database says it is, and for which Airflow."""
    with contextlib.closing(postgres.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version')")
        revision = None
        if cursor.fetchone() != (None,):
            cursor.execute("SELECT version_num FROM alembic_version")
            (revision,) = cursor.fetchone() or (None,)
    return {"airflow": version("apache-airflow"), "revision": revision}
