"""`tidewheel alerts`: open incidents, and a test of the channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tidewheel.actor import operating_system_user
from tidewheel.alerts import messages
from tidewheel.alerts.channels import send, url_of
from tidewheel.alerts.facts import in_utc
from tidewheel.errors import TidewheelError, UsageError, did_you_mean
from tidewheel.ledger import Ledger
from tidewheel.ledger.alerts import AlertLog
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from tidewheel.ledger.alert_tables import IncidentRow
    from tidewheel.settings import Settings

COLOURS = {"info": "cyan", "warning": "yellow", "critical": "red"}

alerts = typer.Typer(name="alerts", help="Open incidents, and a test of the channels.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands about alerts to the command line."""
    app.add_typer(alerts, rich_help_panel="Models")


@alerts.callback()
def _alerts() -> None:
    """Incidents that are open, and the channels that messages about them go to."""


@alerts.command()
def test(name: Annotated[str, typer.Argument(help="name of the pipeline")]) -> None:
    """Send a test message to each channel of a pipeline. Exit code 1 where a channel did not take it.

    Sent from this process, with the environment variables of this terminal; the alerts service has its own.
    """
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, name)
    if not pipeline.alerts.channels:
        raise UsageError(f"{name} has no channels; name one under alerts.channels in dags/{name}.yaml")
    console = Console(highlight=False, soft_wrap=True)
    failed = False
    for channel_name, channel in pipeline.alerts.channels.items():
        refused = _try(name, channel_name, channel.address, settings)
        failed = failed or bool(refused)
        result = f"[bold red]failed[/] {escape(refused)}" if refused else "[bold green]sent[/]"
        console.print(f"{channel_name} ({channel.address}, {channel.lowest_severity} and above): {result}")
    if failed:
        raise typer.Exit(TidewheelError.exit_code)


@alerts.command(name="list")
def list_(
    name: Annotated[str | None, typer.Argument(help="name of the pipeline; default: all of them")] = None,
) -> None:
    """Print open incidents, oldest first, and channels that have not taken their messages."""
    settings = load_settings()
    if name is not None:
        find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    log = AlertLog(Ledger.open(settings, patience_seconds=0))
    console = Console(highlight=False, soft_wrap=True)
    incidents = log.open_incidents(name)
    for incident in incidents:
        _print(console, incident)
    if not incidents:
        console.print("No open incidents.")
    named = declared_pipelines(settings.pipelines_folder).get(name) if name is not None else None
    addresses = {channel.address for channel in named.alerts.channels.values()} if named is not None else None
    for address, (count, error) in log.waiting().items():
        if addresses is None or address in addresses:
            why = f": {escape(error)}" if error else ""
            console.print(f"[yellow]waiting[/] {quantity(count, 'message')} for the channel in {escape(address)}{why}")


@alerts.command()
def close(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    subject: Annotated[str, typer.Argument(help="what the alert is about, as `alerts list` prints it in brackets")],
    reason: Annotated[str, typer.Option(help="why; goes to the audit log with your user name")],
) -> None:
    """Close the alert of a failed task that nobody will run again. Other alerts end with their cause."""
    log = AlertLog(Ledger.open(load_settings(), patience_seconds=0))
    if log.close_failure(name, subject, datetime.now(UTC), operating_system_user(), reason):
        typer.echo(f"closed: {name} {subject}; the message that it has ended is sent within a minute")
        return
    about = [row for row in log.open_incidents(name) if row.subject == subject]
    if about:
        raise UsageError(
            f"{name}: {about[0].event.replace('_', ' ')} ({subject}) holds now and would be opened again; remove its "
            f"cause ({about[0].action}), or ignore the event in dags/{name}.yaml (alerts.events)"
        )
    tasks = [f"{row.purpose} {row.task_id}" for row in log.failures() if row.pipeline == name]
    there = ", ".join(repr(task) for task in tasks) or "none"
    raise UsageError(f"{name} has no failed task {subject!r}{did_you_mean(subject, tasks)}; there is: {there}")


def _print(console: Console, incident: IncidentRow) -> None:
    colour = COLOURS[incident.severity]
    since = messages.duration(datetime.now(UTC) - in_utc(incident.opened_at))
    what = messages.title(incident).partition("] ")[2]
    console.print(f"[{colour}]{incident.severity}[/] {escape(what)}  [dim]for {since}[/]")
    for line in (incident.sentence, incident.action, incident.link):
        if line:
            console.print(f"    {escape(line)}")


def _try(pipeline: str, channel: str, address: str, settings: Settings) -> str:
    title = f"[test] {pipeline}: alerts reach {channel}"
    text = f"This is a test message of `tidewheel alerts test {pipeline}`. Nothing needs to be done."
    try:
        return send(url_of(address, settings), address, title, text, "info")
    except TidewheelError as error:
        return str(error)
