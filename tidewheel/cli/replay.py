"""`tidewheel replay`: a pipeline's history under several retraining policies, before anybody switches one on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.options import ReplayOptions
from tidewheel.partitions import PartitionRange, parse_day


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(replay)


@takes(ReplayOptions, "policy", "seeds", "workers")
def replay(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    first: Annotated[str, typer.Option("--from", help="first day to play (UTC), YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="last day to play, included")],
    options: ReplayOptions,
) -> None:
    """Prove a retraining policy on history: what would it have done, what would it have been worth?

    Plays the days one by one with the pipeline's own triggers, gate and label delay, without Airflow and without the
    registry. Leaves a page and JSON. Interrupted, it goes on where it was; what is played already is not played again.
    """
    played = PartitionRange(parse_day(first), parse_day(last))
    policies = tuple(_from_anywhere(one) for one in options.policy)
    start_job(options.model_copy(update={"policy": policies}), name, played)


def _from_anywhere(policy: str) -> str:
    """A policy that is a file, as the job finds it, which runs in the project's folder."""
    return str(Path(policy).absolute()) if policy.endswith((".yaml", ".yml")) else policy
