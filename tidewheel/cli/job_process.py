"""Starting a job for a person at a terminal: the very command that a DAG starts, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidewheel.settings import Settings


def run_job(
    settings: Settings,
    job: str,
    *arguments: str,
    stdout: int | None = None,
    stderr: int | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m jobs.<job>` to its end. It imports a team's code and heavy libraries, which the core never does.

    Args:
        settings: of this process; the job finds the same home and project, wherever the person stands.
        job: module name below `jobs`.
        arguments: of the job.
        stdout: as `subprocess.run` takes it; by default the person sees it.
        stderr: the same.
        timeout: seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: it was.
    """
    folders = {"TIDEWHEEL_HOME": str(settings.home), "TIDEWHEEL_PROJECT": str(settings.project)}
    return subprocess.run(  # noqa: S603  our own interpreter and module
        [sys.executable, "-m", f"jobs.{job}", *arguments],
        cwd=settings.project,
        env={**os.environ, **folders},
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=timeout,
        check=False,
    )
