"""`tidewheel erase`: removes a person's rows from the lake and from the request log."""

from __future__ import annotations

from typing import Annotated

import typer

from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.errors import ExitCode
from tidewheel.lake import Lake
from tidewheel.options import EraseOptions
from tidewheel.runs import read_record
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(erase)


@takes(EraseOptions, "key", "dry_run")
def erase(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    *,
    options: EraseOptions,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Erase all rows of a key for good: landed rows, features, labels, predictions, logged requests, and quarantine.

    Readers see each batch as it was or without the rows. Killed half-way, it is run again and goes on. Exit code 4:
    files are left that may hold such rows, each with what to do.
    """
    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    if options.dry_run or not yes:
        start_job(options.model_copy(update={"dry_run": True}), name)
        if options.dry_run:
            return
        typer.confirm("Erase them for good?", abort=True)
    run_id = start_job(options, name)
    if read_record(Lake.open(name, settings), run_id, options.record).figures["left"]:
        raise typer.Exit(ExitCode.DIFFERENT)
