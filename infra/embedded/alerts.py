"""The alerts service, beside the other services."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.embedded.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Layout

NAME = "alerts"


def program(layout: Layout, variables: Mapping[str, str]) -> Program:
    """The service. URLs of channels come from the environment of `tidewheel up`.

    Args:
        layout: of the installation.
        variables: what a process needs to find the project and its state.
    """
    command = (sys.executable, "-m", "tidewheel.alerts.service")
    return Program(NAME, command, variables, directory=layout.home, autostart=False, stop_seconds=20)
