"""`tidewheel lake gc`: removes files of the lake that nothing names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from tidewheel.cli.removals import note_removal
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

GROUP = "Platform"
WHAT = "files of the lake that no manifest names"

lake = typer.Typer(name="lake", help="The file store below the lake.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands about the lake to the command line."""
    app.add_typer(lake, rich_help_panel=GROUP)


@lake.callback()
def _the_lake() -> None:
    """Where batches, reports and records of runs lie."""


@lake.command()
def gc(
    name: Annotated[str, typer.Argument(help="the pipeline")],
    *,
    keep_days: Annotated[float, typer.Option(min=1, help="leave files alone that are younger than this")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="name the files and remove nothing")] = False,
) -> None:
    """Remove what no manifest names: files of killed jobs, and of batches that were written twice.

    The data of every batch there ever was stays, and with it what any model was trained on.
    """
    from tidewheel.lake import Lake
    from tidewheel.lake.litter import find_litter, remove_litter

    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    opened = Lake.open(name, settings)
    console = Console(highlight=False, soft_wrap=True)
    litter = find_litter(opened, datetime.now(UTC), timedelta(days=keep_days))
    if dry_run:
        for file in litter:
            console.print(f"{file.path}  {decimal(file.bytes)}  {file.modified:%Y-%m-%d}", markup=False)
    else:
        if unnoted := note_removal(settings, name, WHAT, [file.path for file in litter]):
            console.print(f"{name}: {unnoted}", markup=False)
        remove_litter(opened, litter)
    done = "would remove" if dry_run else "removed"
    size = decimal(sum(file.bytes for file in litter))
    files, days = quantity(len(litter), "file"), quantity(keep_days, "day")
    console.print(f"{name}: {done} {files} ({size}) that no manifest names, older than {days}")
