"""The platform's metrics for Prometheus, beside the other services."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.embedded.ports import HOST
from infra.embedded.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Layout

NAME = "exporter"


def program(layout: Layout, variables: Mapping[str, str], port: int) -> Program:
    """The exporter.

    Args:
        layout: of the installation.
        variables: what a process needs to find the project and its state.
        port: where it listens.
    """
    command = (sys.executable, "-m", "infra.prometheus.exporter", "--host", HOST, "--port", str(port))
    return Program(NAME, command, variables, directory=layout.home, autostart=False, stop_seconds=10)
