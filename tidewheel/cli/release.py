"""`tidewheel release` and `tidewheel rollback`: the release job, for a person at a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.actor import operating_system_user
from tidewheel.cli.job_process import run_job
from tidewheel.errors import ReleaseError
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.release.artifact import Artifact
from tidewheel.release.backend import open_backend
from tidewheel.release.executor import Executor
from tidewheel.release.rollback import TakenBack
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

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
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="repair what registry, ledger and router disagree about, no more")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Put a version behind the endpoint; a release that was interrupted goes on where it was."""
    asked = [*(["--version", version] if version else []), *(["--reason", reason] if reason else [])]
    _run(name, dry_run, *asked, *(["--reconcile"] if reconcile else []))


def rollback(
    name: Name,
    reason: Annotated[str, typer.Option(help="why; goes to the ledger")] = "",
    dry_run: DryRun = False,
) -> None:
    """Go back to the version that answered before, and make it the champion again."""
    asked = [*(["--reason", reason] if reason else [])]
    if dry_run or (taken_back := _take_back(name, reason)) is None:
        _run(name, dry_run, "--rollback", *asked)
        return
    typer.echo(str(taken_back))
    if taken_back.answers:
        _run(name, dry_run, "--version", taken_back.answers, *asked)  # the alias follows


def _take_back(name: str, reason: str) -> TakenBack | None:
    """Take back the release that is under way, in this process: the release job would first import for seconds."""
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)

    def build(version: str) -> Artifact:
        raise ReleaseError(f"a rollback builds nothing, and version {version} is not built")

    executor = Executor(pipeline, open_backend(settings, name), Releases(Ledger.open(settings)), build)
    return executor.roll_back(f"{reason or 'by hand'} ({operating_system_user()})")


def _run(name: str, dry_run: bool, *options: str) -> None:
    now = datetime.now(UTC)
    asked = [
        *("--pipeline", name),
        *("--partition", now.date().isoformat()),
        *("--run-id", f"cli__{now:%Y-%m-%dT%H:%M:%S.%f}"),
        *options,
        *(["--dry-run"] if dry_run else []),
    ]
    done = run_job(load_settings(), "release", *asked)
    if done.returncode:
        raise typer.Exit(done.returncode)
