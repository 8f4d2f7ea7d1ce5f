"""`tidewheel open`: the console in a browser, or its address."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import Annotated

import typer

from tidewheel.console_route import CONSOLE_ROUTE
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import find_pipeline


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("open", rich_help_panel="Platform")(open_console)


def open_console(
    name: Annotated[str | None, typer.Argument(help="a pipeline; default: the page of all pipelines")] = None,
    *,
    browser: Annotated[bool, typer.Option(help="open it, where there is a screen")] = True,
) -> None:
    """Open the console in a browser, and print its address."""
    settings = load_settings()
    if name is not None:
        find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    address = console_address(settings, name)
    typer.echo(address)
    if browser and _has_a_screen():
        webbrowser.open(address)


def console_address(settings: Settings, pipeline: str | None = None) -> str:
    """Where a browser finds the console.

    Args:
        settings: say where Airflow is.
        pipeline: whose page; None: the page of all.

    Raises:
        SettingsError: nothing says where Airflow is.
    """
    page = f"pipeline/{pipeline}" if pipeline else ""
    address = settings.airflow_public_url or settings.require("airflow_url")
    return f"{address.rstrip('/')}{CONSOLE_ROUTE}/{page}"


def _has_a_screen() -> bool:
    """Whether a browser would have a window: without one, a text browser would take the terminal."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
