"""Start supervisord for one installation, and find what a killed one left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from infra.embedded.program import supervisord_config
from infra.embedded.supervise import POLL_SECONDS, Supervisor, last_lines
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError
from tidewheel.polling import poll

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.embedded.layout import Layout

START_SECONDS = 20.0


def start_supervisord(layout: Layout, env: Mapping[str, str]) -> Supervisor:
    """Start supervisord in the background and wait until it answers; one that runs already is left alone.

    Args:
        layout: the installation; its folders exist.
        env: environment that every program inherits.

    Raises:
        PlatformError: it did not start; the message ends with the last lines of its log.
    """
    supervisor = Supervisor(layout)
    if supervisor.pid() is not None:
        return supervisor
    write_private(layout.supervisor_config, supervisord_config(layout, as_root=os.geteuid() == 0))
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_config)]
    # A session of its own: Ctrl-C in the terminal that ran `tidewheel up` must not reach it.
    started = subprocess.run(  # noqa: S603 - our own interpreter and file
        command, env=dict(env), cwd=layout.home, capture_output=True, text=True, start_new_session=True, check=False
    )
    if started.returncode:
        raise PlatformError(f"supervisord refuses its configuration: {(started.stderr or started.stdout).strip()}")
    for _ in poll(START_SECONDS, every=POLL_SECONDS):
        if supervisor.pid() is not None:
            return supervisor
    raise PlatformError(
        f"supervisord did not answer within {START_SECONDS:.0f} s; the end of {layout.supervisor_log}:\n"
        f"{last_lines(layout.supervisor_log) or '(empty)'}"
    )
