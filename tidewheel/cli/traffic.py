"""`tidewheel traffic`: what callers of a pipeline got in the last hour and day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.ledger import Ledger
from tidewheel.ledger.traffic import MINUTE, TrafficLog, by_version
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tidewheel.policies.guard import WindowCounts

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
STALE = timedelta(minutes=2)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(traffic)


def traffic(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    as_json: Annotated[bool, typer.Option("--json", help="for a program")] = False,
) -> None:
    """Show requests, errors and answer times of each version in the last hour and day."""
    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    log, now = TrafficLog(Ledger.open(settings, patience_seconds=0)), datetime.now(UTC)
    windows = {span: by_version(log.series(name, now - length, now, MINUTE)) for span, length in SPANS.items()}
    read_at = log.read_at()
    if as_json:
        typer.echo(json.dumps({"read_at": read_at and read_at.isoformat(), **_plain(windows)}, indent=2))
        return
    _print(name, windows, read_at, now)


def _print(name: str, found: dict[str, dict[str, WindowCounts]], read_at: datetime | None, now: datetime) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("last", "version", "requests", "refused (4xx)", "failed (5xx)", "p50 ms", "p99 ms")
    for column in table.columns[2:]:
        column.justify = "right"
    for span, versions in found.items():
        for version, seen in sorted(versions.items()):
            times = (f"{t:g}" if (t := seen.quantile(share)) is not None else "" for share in (0.5, 0.99))
            counts = (f"{number:,}" for number in (seen.requests, seen.refused, seen.errors))
            table.add_row(span, version or "?", *counts, *times)
    if table.row_count:
        console.print(table)
    else:
        console.print(f"{name} had no requests in the last day.")
    if read_at is None:
        console.print("The router has never been read: `tidewheel status` shows whether the exporter runs.")
    elif now - read_at > STALE:
        console.print(f"The router was last read at {read_at:%Y-%m-%d %H:%M} UTC: see `tidewheel logs exporter`.")


def _plain(found: dict[str, dict[str, WindowCounts]]) -> dict[str, object]:
    figures = ("requests", "errors", "refused", "p50_ms", "p99_ms")
    return {
        span: {version: {figure: seen.figures()[figure] for figure in figures} for version, seen in versions.items()}
        for span, versions in found.items()
    }
