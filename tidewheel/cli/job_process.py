"""Starting a job for a person at a terminal: the very command that a DAG starts, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from tidewheel.options import RunOptions
from tidewheel.options.command_line import arguments_of
from tidewheel.partitions import PartitionRange
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from tidewheel.options import JobOptions
    from tidewheel.settings import Settings


def start_job(options: JobOptions, pipeline: str, partition: PartitionRange | None = None) -> str:
    """Run a job to its end for the person at the terminal; a command ends with the job's exit code where that is not 0.

    Args:
        options: of the job, which they also name.
        pipeline: its name.
        partition: days that the job is about; today (UTC) for one that is not about data.

    Returns:
        Id of the run.
    """
    now = datetime.now(UTC)
    today = now.date()
    run = RunOptions(
        pipeline=pipeline,
        partition=partition or PartitionRange(today, today),
        run_id=f"cli__{now:%Y-%m-%dT%H-%M-%S.%f}",
    )
    done = run_job(load_settings(), options.job, *arguments_of(run), *arguments_of(options))
    if done.returncode:
        raise typer.Exit(done.returncode)
    return run.run_id


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
