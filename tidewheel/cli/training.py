"""`tidewheel reproduce`: trains a registered version again and compares."""

from __future__ import annotations

import json
import subprocess
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from tidewheel.cli.job_process import run_job
from tidewheel.errors import ExitCode
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

GROUP = "Models"


def register(app: typer.Typer) -> None:
    """Add the commands about models to the command line."""
    app.command(rich_help_panel=GROUP)(reproduce)


def reproduce(
    name: Annotated[str, typer.Argument(help="the pipeline")],
    version: Annotated[int, typer.Option(min=1, help="the registered version to train again")],
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Train a version again from the very same batches, and say whether the same model comes out.

    Nothing is registered and nothing changes. Exit code 0: the same model; 4: another one; 1 or 2: nobody can say, for
    example because a batch is gone.
    """
    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    ran = run_job(settings, "reproduce", name, str(version), stdout=subprocess.PIPE)
    if ran.returncode:
        raise typer.Exit(ran.returncode)
    result = json.loads(ran.stdout)
    if as_json:
        typer.echo(ran.stdout, nl=False)
    else:
        _show(result)
    if not result["same"]:
        raise typer.Exit(ExitCode.DIFFERENT)


def _show(result: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not result["same"]:
        console.print(f"[bold red]another model[/]  its answers differ by up to {result['max_difference']:.3g}")
    else:
        alike = "to the last bit" if result["max_difference"] == 0 else f"to within {result['max_difference']:.2g}"
        proven = not all(each["learned"] for each in result["compared"])
        title = "[bold green]the same model[/]" if proven else "[bold yellow]no difference seen[/]"
        console.print(f"{title}  it answers the same {alike}")
    for each in result["compared"]:
        learned = "learned" if each["learned"] else "not learned"
        apart = "" if result["same"] else f", apart by {each['difference']:.3g}"
        console.print(f"  {each['model']}: {each['rows']:,} {each['what']} ({learned}{apart})")
    console.print(f"trained again on {quantity(result['rows'], 'row')}, each batch by its hash")
    for key, title in (("differences", "not as it was"), ("notes", "note")):
        for sentence in result[key]:
            console.print(f"  {title}: {escape(sentence)}")
