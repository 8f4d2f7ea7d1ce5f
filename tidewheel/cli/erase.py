"""`tidewheel erase`: removes a person's rows from the lake and from the request log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.cli.job_process import run_job
from tidewheel.errors import ExitCode
from tidewheel.lake import Lake
from tidewheel.runs import read_record
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(erase)


def erase(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    *,
    key: Annotated[
        list[str],
        typer.Option(metavar="[COLUMN=]VALUE", help="value of the entity's key; again for each column that says whose"),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be erased and change nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Erase all rows of a key for good: landed rows, features, labels, predictions, logged requests, and quarantine.

    Readers see each batch as it was or without the rows. Killed half-way, it is run again and goes on. Exit code 4:
    files are left that may hold such rows, each with what to do.
    """
    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    if dry_run or not yes:
        _run(name, key, "--dry-run")
        if dry_run:
            return
        typer.confirm("Erase them for good?", abort=True)
    run_id = _run(name, key)
    if read_record(Lake.open(name, settings), run_id, "erase").figures["left"]:
        raise typer.Exit(ExitCode.DIFFERENT)


def _run(name: str, key: list[str], *options: str) -> str:
    now = datetime.now(UTC)
    run_id = f"cli__{now:%Y-%m-%dT%H:%M:%S.%f}"
    asked = ("--pipeline", name, "--partition", now.date().isoformat(), "--run-id", run_id)
    keys = [f"--key={value}" for value in key]
    done = run_job(load_settings(), "erase", *asked, *keys, *options)
    if done.returncode:
        raise typer.Exit(done.returncode)
    return run_id
