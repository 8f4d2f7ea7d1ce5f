"""`tidewheel demo`: the whole loop on real flights, on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tidewheel.errors import UsageError
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    import typer

GROUP = "Platform"
INTERRUPTED = (
    "Interrupted. The platform stays up and ends the runs it has begun; `make demo` follows them from here, "
    "`make down` stops it all."
)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel=GROUP)(demo)


def demo() -> None:
    """Bring the platform up and play the loop on real flights: train, judge, release, three nights, retrain, release.

    Interrupted or run again, it goes on where it was.
    """
    from tidewheel.airflow_api import AirflowApi
    from tidewheel.cli.platform import up
    from tidewheel.demo.display import Display
    from tidewheel.demo.story import PIPELINE, Demo
    from tidewheel.demo.summary import print_summary

    began = time.monotonic()
    if not (example := load_settings().pipelines_folder / f"{PIPELINE}.yaml").exists():
        raise UsageError(
            f"{example} is missing: the demo plays Tidewheel's example, which is in its repository; run `make demo` "
            "there, or make a pipeline of your own with `tidewheel new NAME`"
        )
    up()
    settings = load_settings()
    display = Display()
    try:
        with AirflowApi.open(settings) as api:
            ending = Demo(settings, api, display).play()
    except KeyboardInterrupt:
        display.console.print(f"\n{INTERRUPTED}")
        raise
    print_summary(display.console, settings, PIPELINE, ending)
    display.console.print(f"\n[dim]{(time.monotonic() - began) / 60:.1f} minutes in all[/]")
