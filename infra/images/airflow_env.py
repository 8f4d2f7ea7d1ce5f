"""Prints infra/images/airflow.env, Airflow's options in docker-compose.yaml: `make compose-env` writes the file.

What differs from Airflow's defaults, and why, stands in `infra.embedded.airflow_services`. Here stands only what
containers have differently: their addresses, their folders, and secrets that compose fills in from `.env`.
"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

from infra.embedded import airflow_services
from infra.embedded.layout import Credentials, Layout
from infra.embedded.ports import Ports
from infra.images.env_file import variable
from tidewheel.settings import Settings

STATE, PROJECT = Path("/state"), Path("/opt/tidewheel")
DATABASE_URL = f"postgresql+psycopg2://tidewheel:${{{variable('postgres_password')}:?}}@postgres:5432/airflow"
# All containers share the folder of the logs, so there are no log servers, and a host's name is its container's.
EMBEDDED_ONLY = {
    "core": {"hostname_callable"},
    # infra/otel/compose.yaml switches these two on.
    "logging": {"worker_log_server_port", "trigger_log_server_port", "json_logs"},
    "traces": {"otel_on"},
}
IN_CONTAINERS: dict[str, dict[str, object]] = {
    "core": {
        "plugins_folder": PROJECT / "plugins",  # where the image has the code
        "execution_api_server_url": "http://airflow:8080/execution/",
    },
    "metrics": {"otel_on": "${AIRFLOW_OTEL_METRICS:-False}"},
    "api": {"host": "0.0.0.0", "base_url": "http://localhost:${AIRFLOW_PORT:-8080}"},  # noqa: S104 - a container's own
}


def text() -> str:
    """The file."""
    layout, settings = Layout(STATE), Settings(home=STATE, project=PROJECT)
    # Compose stops with the variable's name where it is not set.
    secrets = Credentials(**{field.name: f"${{{variable(field.name)}:?}}" for field in fields(Credentials)})
    lines = ["# Written by `make compose-env` from infra/embedded/airflow_services.py; changes here are lost."]
    for section, options in airflow_services.configuration(layout, settings, secrets, DATABASE_URL, Ports()).items():
        for option, value in (options | IN_CONTAINERS.get(section, {})).items():
            if option not in EMBEDDED_ONLY.get(section, ()):
                lines.append(f"AIRFLOW__{section}__{option}".upper() + f"={value}")
    lines.append(f"{airflow_services.METRICS_TIMEOUT}={airflow_services.COLLECTOR_SECONDS}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(text())
