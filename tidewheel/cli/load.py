"""`tidewheel load`: requests at a constant rate, and a page with how they were answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.cli.job_process import run_job
from tidewheel.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(load)


def load(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    rps: Annotated[float, typer.Option(help="requests a second")] = 30,
    seconds: Annotated[float, typer.Option(help="for how long")] = 40,
    batch: Annotated[int, typer.Option(help="rows in each request")] = 1,
    url: Annotated[
        str, typer.Option(help="of the pipeline's endpoint, without /predict; default: this installation's")
    ] = "",
) -> None:
    """Put load on an endpoint: requests at a constant rate, made of the rows of the last day of features.

    Leaves a page with rate, latency, failures and replicas over time. Latencies count from the moment at which a
    request should have been sent. Exit code 1 where a request failed or this machine did not keep the rate.
    """
    now = datetime.now(UTC)
    options = [
        *("--pipeline", name),
        *("--partition", now.date().isoformat()),
        *("--run-id", f"load__{now:%Y-%m-%dT%H-%M-%S.%f}"),
        *("--rps", str(rps), "--seconds", str(seconds), "--batch", str(batch)),
        *(("--url", url) if url else ()),
    ]
    done = run_job(load_settings(), "load", *options)
    if done.returncode:
        raise typer.Exit(done.returncode)
