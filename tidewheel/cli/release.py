"""`tidewheel release` and `tidewheel rollback`: the release job, for a person at a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from tidewheel.actor import operating_system_user
from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.errors import ReleaseError
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.options import ReleaseOptions
from tidewheel.release.artifact import Artifact
from tidewheel.release.backend import open_backend
from tidewheel.release.executor import Executor
from tidewheel.release.rollback import TakenBack
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

Name = Annotated[str, typer.Argument(help="name of the pipeline")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Models")(release)
    app.command(rich_help_panel="Models")(rollback)


@takes(ReleaseOptions, "version", "reason", "reconcile", "dry_run")
def release(name: Name, options: ReleaseOptions) -> None:
    """Put a version behind the endpoint; a release that was interrupted goes on where it was."""
    start_job(options, name)


@takes(ReleaseOptions, "reason", "dry_run", rollback=True)
def rollback(name: Name, options: ReleaseOptions) -> None:
    """Go back to the version that answered before, and make it the champion again."""
    if options.dry_run or (taken_back := _take_back(name, options.reason)) is None:
        start_job(options, name)
        return
    typer.echo(str(taken_back))
    if taken_back.answers:
        # The alias follows.
        start_job(ReleaseOptions(version=taken_back.answers, reason=options.reason), name)


def _take_back(name: str, reason: str | None) -> TakenBack | None:
    """Take back the release that is under way, in this process: the release job would first import for seconds."""
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)

    def build(version: str) -> Artifact:
        raise ReleaseError(f"a rollback builds nothing, and version {version} is not built")

    executor = Executor(pipeline, open_backend(settings, name), Releases(Ledger.open(settings)), build)
    return executor.roll_back(f"{reason or 'by hand'} ({operating_system_user()})")
