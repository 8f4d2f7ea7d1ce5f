"""What the services inherit from the shell, and the file in which every command finds them again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.atomic_file import write_private
from tidewheel.project import import_path

if TYPE_CHECKING:
    from tidewheel.settings import Settings

# Settings of other installations of the same software, and of the supervisord above us, if there is one.
FOREIGN = ("AIRFLOW__", "AIRFLOW_HOME", "MLFLOW_", "_MLFLOW", "SUPERVISOR_", "PG", "PYSPARK_", "SPARK_HOME", "FLASK_")
FOREIGN_PYTHON = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS"}
LOCAL = "127.0.0.1,localhost"
JAVA = "TIDEWHEEL_JAVA_HOME"


def inherited(environment: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """The environment that supervisord passes to every service.

    Args:
        environment: of the process that starts it.
        known: `TIDEWHEEL_*` variables that platform.env holds: services read them there, always the newest.
    """
    dropped = FOREIGN_PYTHON | set(known)
    kept = {
        name: value
        for name, value in environment.items()
        if name not in dropped and not name.startswith(FOREIGN) and not name.endswith("_PORT_BASE")
    }
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, [kept.get(name, ""), LOCAL]))
    # Process titles would otherwise overwrite the environment that /proc shows, by which we know our own.
    kept["SPT_NOENV"] = "1"
    # glibc keeps a heap per thread; two are enough for servers that mostly wait.
    kept["MALLOC_ARENA_MAX"] = "2"
    return kept


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


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
