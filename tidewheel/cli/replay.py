"""`tidewheel replay`: a pipeline's history under several retraining policies, before anybody switches one on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.errors import UsageError
from tidewheel.options import ReplayOptions
from tidewheel.partitions import PartitionRange, parse_day
from tidewheel.replays import compare as compare_replays
from tidewheel.replays import read_replay


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(replay)


@takes(ReplayOptions, "policy", "seeds", "workers")
def replay(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    options: ReplayOptions,
    first: Annotated[str, typer.Option("--from", help="first day to play (UTC), YYYY-MM-DD")] = "",
    last: Annotated[str, typer.Option("--to", help="last day to play, included")] = "",
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="play nothing; compare two files replay.json of the same days, policy by policy"),
    ] = None,
) -> None:
    """Prove a retraining policy on history: what would it have done, what would it have been worth?

    Plays the days one by one with the pipeline's own triggers, gate and label delay, without Airflow and without the
    registry. Leaves a page and JSON. Interrupted, it goes on where it was; what is played already is not played again.
    """
    if compare is not None:
        _compare(name, *compare)
        return
    if not (first and last):
        raise UsageError("expected --from and --to, the days to play, or --compare with two files replay.json")
    played = PartitionRange(parse_day(first), parse_day(last))
    policies = tuple(_from_anywhere(one) for one in options.policy)
    start_job(options.model_copy(update={"policy": policies}), name, played)


def _compare(name: str, first: Path, second: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    before, after = (read_replay(path) for path in (first, second))
    if before.pipeline != name:
        raise UsageError(f"{first} is a replay of {before.pipeline}, not of {name}")
    table = Table("policy", "first", "second", "second less first (95%)", "fits", "CPU s", "CPU s a model", box=None)
    for one in compare_replays(before, after):
        table.add_row(
            one.policy,
            f"{one.first:.4f}",
            f"{one.second:.4f}",
            f"{one.second - one.first:+.4f} ({one.low:+.4f} to {one.high:+.4f})",
            *(f"{a:.3g}, {b:.3g}" for a, b in (one.fits, one.cpu_seconds, one.cpu_seconds_each)),
        )
    console = Console(highlight=False)
    console.print(f"{name}: mean loss a row over {len(before.days)} days, lower is better; days drawn as blocks")
    console.print(table)


def _from_anywhere(policy: str) -> str:
    """A policy that is a file, as the job finds it, which runs in the project's folder."""
    return str(Path(policy).absolute()) if policy.endswith((".yaml", ".yml")) else policy
