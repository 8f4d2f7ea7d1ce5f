"""`tidewheel load`: requests at a constant rate, and a page with how they were answered."""

from __future__ import annotations

from typing import Annotated

import typer

from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.options import LoadOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(load)


@takes(LoadOptions, "rps", "seconds", "batch", "url")
def load(name: Annotated[str, typer.Argument(help="name of the pipeline")], options: LoadOptions) -> None:
    """Put load on an endpoint: requests at a constant rate, made of the rows of the last day of features.

    Leaves a page with rate, latency, failures and replicas over time. Latencies count from the moment at which a
    request should have been sent. Exit code 1 where a request failed or this machine did not keep the rate.
    """
    start_job(options, name)
