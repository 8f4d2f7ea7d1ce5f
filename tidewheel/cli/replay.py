"""`tidewheel replay`: a pipeline's history under several retraining policies, before anybody switches one on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.partitions import PartitionRange, parse_day
from tidewheel.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(replay)


def replay(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    first: Annotated[str, typer.Option("--from", help="first day to play (UTC), YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day to play, included")],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="spec (what the pipeline declares), frozen, weekly, daily, every:<n>d, equal (a calendar with as many "
            "fits as spec), or a pipeline file to try; may be given several times; default: spec, frozen, equal, weekly"
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="how often each is played, with other seeds", min=1)] = 3,
    workers: Annotated[int | None, typer.Option(help="plays at once; default: one a core", min=1)] = None,
) -> None:
    """Prove a retraining policy on history: what would it have done, what would it have been worth?

    Plays the days one by one with the pipeline's own triggers, gate and label delay, without Airflow and without the
    registry. Leaves a page and JSON. Interrupted, it goes on where it was; what is played already is not played again.
    """
    played = PartitionRange(parse_day(first), parse_day(last))
    command = [
        *(sys.executable, "-m", "jobs.replay"),
        *("--pipeline", name),
        *("--partition", str(played)),
        *("--run-id", f"replay__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"),
        *(option for one in policy or () for option in ("--policy", one)),
        *("--seeds", str(seeds)),
        *(("--workers", str(workers)) if workers else ()),
    ]
    done = subprocess.run(command, cwd=load_settings().project, check=False)  # noqa: S603
    if done.returncode:
        raise typer.Exit(done.returncode)
