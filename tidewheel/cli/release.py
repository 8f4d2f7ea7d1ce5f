"""`tidewheel release` and `tidewheel rollback`: the release job, for a person at a terminal."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.settings import load_settings

Name = Annotated[str, typer.Argument(help="name of the pipeline")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the plan and do nothing")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Models")(release)
    app.command(rich_help_panel="Models")(rollback)


def release(
    name: Name,
    version: Annotated[str, typer.Option(help="registered model version; default: the champion")] = "",
    reason: Annotated[str, typer.Option(help="why to release a version that the gate has not passed")] = "",
    dry_run: DryRun = False,
) -> None:
    """Put a version behind the endpoint, blue-green; one that was interrupted goes on where it was."""
    _run(name, dry_run, *(["--version", version] if version else []), *(["--reason", reason] if reason else []))


def rollback(name: Name, dry_run: DryRun = False) -> None:
    """Go back to the version that answered before, and make it the champion again."""
    _run(name, dry_run, "--rollback")


def _run(name: str, dry_run: bool, *options: str) -> None:
    # A process of its own, the very one that the release DAG starts: same code, same record, same exit codes.
    now = datetime.now(UTC)
    command = [
        *(sys.executable, "-m", "jobs.release"),
        *("--pipeline", name),
        *("--partition", now.date().isoformat()),
        *("--run-id", f"cli__{now:%Y-%m-%dT%H:%M:%S.%f}"),
        *options,
        *(["--dry-run"] if dry_run else []),
    ]
    done = subprocess.run(command, cwd=load_settings().project, check=False)  # noqa: S603
    if done.returncode:
        raise typer.Exit(done.returncode)
