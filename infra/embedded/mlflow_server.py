"""MLflow's tracking server and registry: PostgreSQL behind it, artifacts through it, a login in front of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded.ports import HOST
from infra.embedded.program import Program
from tidewheel.atomic_file import write_private

if TYPE_CHECKING:
    from infra.embedded.credentials import Credentials
    from infra.embedded.layout import Layout

NAME = "mlflow"
USERNAME = "admin"


def program(layout: Layout, credentials: Credentials, database_url: str, port: int) -> Program:
    """The server. Everything secret goes by environment or file, for a command line is public."""
    command = [str(Path(sys.executable).with_name("mlflow")), "server", "--app-name", "basic-auth"]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", artifacts(layout).as_uri()]
    env = {
        "MLFLOW_BACKEND_STORE_URI": database_url,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": credentials.mlflow_secret_key,
        "MLFLOW_AUTH_CONFIG_PATH": str(login_file(layout)),
        "MLFLOW_AUTH_ADMIN_PASSWORD": credentials.mlflow_password,
        # Its own job runner starts several processes for evaluating language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return Program(
        NAME,
        tuple(command),
        env,
        directory=layout.mlflow,
        reads=(login_file(layout),),
        autostart=False,
        stop_children=True,
        stop_seconds=15,
    )


def write_files(layout: Layout, database_url: str) -> None:
    """Write the login's configuration, and make the folder of the artifacts."""
    artifacts(layout).mkdir(mode=0o700, exist_ok=True)
    lines = [
        "[mlflow]",
        "default_permission = NO_PERMISSIONS",
        f"database_uri = {database_url.replace('%', '%%')}",
        f"admin_username = {USERNAME}",
        # A password is hashed 600,000 times at each check; remember a good one for a minute.
        "auth_cache_ttl_seconds = 60",
    ]
    write_private(login_file(layout), "\n".join([*lines, ""]))


def login_file(layout: Layout) -> Path:
    """The file that configures the login."""
    return layout.mlflow / "basic_auth.ini"


def artifacts(layout: Layout) -> Path:
    """Folder of the models and other artifacts."""
    return layout.mlflow / "artifacts"
