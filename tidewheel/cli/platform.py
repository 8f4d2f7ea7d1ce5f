"""`tidewheel up`, `down`, `status`, `logs`: the embedded platform of this home."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tidewheel.errors import SettingsError
from tidewheel.project import is_project, no_project
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from infra.embedded.platform import Platform

GROUP = "Platform"


def register(app: typer.Typer) -> None:
    """Add the platform's commands to the command line."""
    for command in (up, down, status, logs):
        app.command(rich_help_panel=GROUP)(command)


def up() -> None:
    """Start the platform: PostgreSQL, MLflow, Airflow and Envoy, and wait until each of them answers."""
    from tidewheel.cli.progress import ServiceProgress, print_addresses

    settings = load_settings()
    if not is_project(settings.project):
        raise SettingsError(no_project(settings.project))
    platform = _platform()
    began = time.monotonic()
    with ServiceProgress() as progress:
        started = platform.up(progress)
    if started:
        progress.console.print(f"[bold]The platform runs[/], after {time.monotonic() - began:.0f} s.")
    else:
        progress.console.print("[bold]The platform is already running.[/]")
    print_addresses(progress.console, load_settings())


def down() -> None:
    """Stop the platform and every model service, PostgreSQL last; all state stays."""
    from tidewheel.cli.progress import ServiceProgress

    with ServiceProgress() as progress:
        stopped = _platform().down(progress)
    progress.console.print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


def status() -> None:
    """Show every service: whether it answers, where, since when, and its memory. Exit code 1 unless all do.

    A model's service that a release is starting or stopping, and that no request is sent to, need not.
    """
    from infra.embedded.health import at_fault
    from infra.embedded.layout import Layout
    from infra.local.endpoints import Endpoints
    from tidewheel.cli.left_behind import left_behind
    from tidewheel.cli.progress import print_services

    settings = load_settings()
    services = _platform().status()
    console = Console(highlight=False)
    print_services(services, console)
    if any(service.pid for service in services):
        sentence = f"[dim]The platform of {escape(str(settings.home))}[/]"
    else:
        sentence = f"Nothing runs in {escape(str(settings.home))}. Start it with [bold]tidewheel up[/]."
    console.print(sentence, soft_wrap=True)
    for sentence in left_behind(settings):
        console.print(f"[yellow]{escape(sentence)}[/]", soft_wrap=True)
    if at_fault(services, Endpoints(Layout(settings.home)).routed()):
        raise typer.Exit(1)


def logs(
    name: Annotated[str, typer.Argument(help="a service, as `tidewheel status` names it")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on as lines come")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="how many of the last lines")] = 50,
) -> None:
    """Show the end of a service's log."""
    from infra.embedded.program import tail

    for line in tail(_platform().log(name), lines, follow=follow):
        print(line)


def _platform() -> Platform:
    from infra.embedded.platform import Platform

    return Platform(load_settings())
