"""`tidewheel replay`: a pipeline's history under several retraining policies, before anybody switches one on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.job_process import run_job
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
    options = [
        *("--pipeline", name),
        *("--partition", str(played)),
        *("--run-id", f"replay__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"),
        *(option for one in policy or () for option in ("--policy", _from_anywhere(one))),
        *("--seeds", str(seeds)),
        *(("--workers", str(workers)) if workers else ()),
    ]
    done = run_job(load_settings(), "replay", *options)
    if done.returncode:
        raise typer.Exit(done.returncode)


def _from_anywhere(policy: str) -> str:
    """A policy that is a file, as the job finds it, which runs in the project's folder."""
    return str(Path(policy).absolute()) if policy.endswith((".yaml", ".yml")) else policy
