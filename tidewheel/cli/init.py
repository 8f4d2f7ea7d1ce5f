"""`tidewheel init`: a project for a team's pipelines, outside of Tidewheel's own repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

GROUP = "Pipelines"


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=GROUP)(init)


def init(
    folder: Annotated[Path, typer.Argument(help="the project's folder, which must be empty or not exist yet")],
) -> None:
    """Make a project for your pipelines: folders, pyproject.toml, CI and README. Nothing is overwritten."""
    from tidewheel.scaffold.project import init_project

    written = init_project(folder)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Project [bold]{escape(str(folder))}[/] is there:")
    for path in written:
        console.print(f"  {escape(str(path))}", style="cyan")
    console.print(
        f"\nNext:\n"
        f"  [bold]cd {escape(str(folder))}[/]\n"
        f"  [bold]tidewheel new NAME --from orders.csv[/]   a pipeline on your data; without --from, on sample data\n"
        f"  [bold]tidewheel up[/]                           the platform on this machine"
    )
