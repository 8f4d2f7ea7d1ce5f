"""What the demo leaves on the screen: versions, the verdict, addresses, a request to paste, what to try next."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from tidewheel.demo.story import DemoResult
    from tidewheel.runs import JobRecord
    from tidewheel.settings import Settings

SHOWN = ("log_loss", "roc_auc", "brier")


def print_summary(console: Console, settings: Settings, pipeline: str, ending: DemoResult) -> None:
    """Print the last page of the demo. Its example is a request to paste."""
    endpoint = f"{settings.require('endpoint_url').rstrip('/')}/{pipeline}"
    console.print()
    console.print(Panel.fit("[bold]The loop is closed.[/] The platform stays up; `make down` stops it.", style="green"))
    console.print(_versions(ending))
    last = ending.judged[-1]
    console.print(f"\n[bold]Verdict[/]  {escape(last.sentence)}")
    if ending.traffic is not None:
        console.print(f"[bold]Traffic[/]  {ending.traffic.sent:,} requests meanwhile: {ending.traffic.failed} failed")
    console.print()
    _print_addresses(console, settings, endpoint)
    row = {name: round(value, 4) if isinstance(value, float) else value for name, value in ending.example.items()}
    body = json.dumps({"rows": [row]})
    console.print("\n[bold]Ask the model[/]")
    request = f"-H 'content-type: application/json' -d '{body}'"
    console.print(f"curl -s --noproxy '*' {endpoint}/predict {request}", markup=False)
    command = _command()
    console.print("\n[bold]Try next[/]")
    for line in (
        f"in Airflow, open {pipeline}.features and trigger 2013-03-04: scoring and monitoring follow by themselves",
        "in MLflow, open the model and read each version's verdict in its description",
        f"{command} rollback {pipeline}       the version before answers again",
        f"{command} new my_model                your own pipeline, with data to start from",
    ):
        console.print(f"  {line}", markup=False)


def _command() -> str:
    """What to type for `tidewheel`, from the folder that the reader is in."""
    if shutil.which("tidewheel"):
        return "tidewheel"
    program = Path(sys.argv[0])
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


def _versions(ending: DemoResult) -> Table:
    table = Table("Version", *SHOWN, "Judged on", "Verdict", box=None, header_style="bold", padding=(0, 2))
    for judged in ending.judged:
        version = str(judged.figures["version"])
        live = " [green](live)[/]" if version == ending.live_version else ""
        table.add_row(
            f"{version}{live}",
            *(_number(judged, name) for name in SHOWN),
            f"{judged.figures['rows']:,} rows",
            str(judged.figures["outcome"]),
        )
    return table


def _number(judged: JobRecord, name: str) -> str:
    value = judged.figures.get(name)
    return f"{value:.4f}" if isinstance(value, float) else "-"


def _print_addresses(console: Console, settings: Settings, endpoint: str) -> None:
    addresses = {
        "Airflow": f"{settings.airflow_url}  {_login(console, settings, 'airflow')}",
        "MLflow": f"{settings.mlflow_link}  {_login(console, settings, 'mlflow')}",
        "Endpoint": f"{endpoint}/predict",
        "Its docs": f"{endpoint}/",
    }
    for name, address in addresses.items():
        console.print(f"[bold]{name:8}[/]  {escape(address)}")


def _login(console: Console, settings: Settings, service: str) -> str:
    """User and password; on a screen only, since what goes to a file may go further."""
    username = getattr(settings, f"{service}_username")
    if not username:
        return ""
    where = f"in {settings.home / 'platform.env'}"
    password = settings.require(f"{service}_password") if console.is_terminal else where
    return f"(user {username}, password {password})"
