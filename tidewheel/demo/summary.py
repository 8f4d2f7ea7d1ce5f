"""What the demo leaves on the screen: versions, the verdict, addresses, a request to paste, what to try next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from tidewheel.demo.story import Ending
    from tidewheel.runs import JobRecord
    from tidewheel.settings import Settings

SHOWN = ("log_loss", "roc_auc", "brier")


def print_summary(console: Console, settings: Settings, pipeline: str, ending: Ending) -> None:
    """Print the last page of the demo. The passwords are the reader's own, made on this machine."""
    endpoint = f"{settings.require('endpoint_url').rstrip('/')}/{pipeline}"
    console.print()
    console.print(Panel.fit("[bold]The loop is closed.[/] The platform stays up; `make down` stops it.", style="green"))
    console.print(_versions(ending))
    last = ending.judged[-1]
    console.print(f"\n[bold]Verdict[/]  {escape(last.sentence)}")
    if ending.traffic is not None:
        console.print(
            f"[bold]Traffic[/]  {ending.traffic.sent:,} requests while version {ending.live_version} took over: "
            f"{ending.traffic.failed} failed"
        )
    console.print()
    console.print(_addresses(settings, endpoint))
    body = json.dumps({"rows": [ending.example]}, default=str)
    console.print("\n[bold]Ask the model[/]")
    console.print(f"curl -s {endpoint}/predict -H 'content-type: application/json' -d '{body}'", markup=False)
    console.print("\n[bold]Try next[/]")
    for line in (
        f"in Airflow, open {pipeline}.features and trigger 2013-03-04: scoring and monitoring follow by themselves",
        "in MLflow, open the model and read each version's verdict in its description",
        "tidewheel rollback flight_delay       the version before answers again",
        "tidewheel new my_model                your own pipeline, with data to start from",
    ):
        console.print(f"  {line}", markup=False)


def _versions(ending: Ending) -> Table:
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


def _addresses(settings: Settings, endpoint: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold]Airflow[/]", settings.airflow_url, *_login(settings, "airflow"))
    table.add_row("[bold]MLflow[/]", settings.mlflow_url, *_login(settings, "mlflow"))
    table.add_row("[bold]Endpoint[/]", f"{endpoint}/predict", "", "")
    table.add_row("[bold]Its docs[/]", f"{endpoint}/docs", "", "")
    return table


def _login(settings: Settings, service: str) -> tuple[str, str]:
    username = getattr(settings, f"{service}_username")
    if not username:
        return "", ""
    return f"user {username}", f"password {settings.require(f'{service}_password')}"
