"""How commands show services: a live line for each one that starts, a table for those that run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from tidewheel.console_route import CONSOLE_ROUTE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import RenderableType

    from infra.embedded.health import ServiceStatus
    from tidewheel.settings import Settings

COLOURS = {"running": "green", "external": "cyan", "stopped": "dim", "starting": "yellow"}


class ServiceProgress:
    """Shows what is being started or stopped, and what it waits for.

    On a terminal a line with a spinner for each; elsewhere one plain line as each is done.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._waiting: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live = Live(get_renderable=self._table, console=self.console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, sentence: str) -> None:
        """Something worth a line of its own happened."""
        self.console.print(f"[yellow]•[/] {escape(sentence)}")

    def begin(self, step: str) -> None:
        """A step has begun."""
        with self._lock:
            self._waiting[step] = ""

    def waiting(self, step: str, why: str) -> None:
        """A step waits, and for what."""
        with self._lock:
            self._waiting[step] = why

    def done(self, step: str, seconds: float) -> None:
        """A step is done."""
        with self._lock:
            self._waiting.pop(step, None)
        self.console.print(f"[green]✓[/] {step} [dim]{seconds:.1f} s[/]")

    def _table(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        with self._lock:
            for step, why in self._waiting.items():
                table.add_row(Spinner("dots", style="yellow"), step, f"[dim]{escape(why)}[/]")
        return table


def print_addresses(console: Console, settings: Settings) -> None:
    """Print where the platform is and how to log in; no password, but where it stands."""
    table = Table.grid(padding=(0, 2))
    for name, url, user in (
        ("Airflow", settings.airflow_url, settings.airflow_username),
        ("Console", f"{settings.airflow_url.rstrip('/')}{CONSOLE_ROUTE}/" if settings.airflow_url else "", ""),
        ("MLflow", settings.mlflow_link, settings.mlflow_username),
        ("Endpoint", settings.endpoint_url, ""),
    ):
        table.add_row(name, url, f"user {user}" if user else "")
    console.print(table)
    console.print(f"[dim]The passwords are in {escape(str(settings.home / 'platform.env'))}, readable by you alone.[/]")


def print_services(services: Sequence[ServiceStatus], console: Console | None = None) -> None:
    """Print a table of services, one row each, and what is wrong below it."""
    console = console or Console(highlight=False)
    table = Table("Service", "State", "PID", "Address", "Uptime", "Memory", box=None, header_style="bold")
    for service in services:
        colour = COLOURS.get(service.state, "red")
        table.add_row(
            service.name,
            f"[{colour}]{service.state}[/]",
            str(service.pid or ""),
            service.address,
            _duration(service.uptime) if service.pid else "",
            f"{service.memory / 1024**2:,.0f} MB" if service.memory else "",
        )
    total = sum(service.memory for service in services)
    if total:
        table.add_row("", "", "", "", "", f"[bold]{total / 1024**2:,.0f} MB[/]")
    console.print(table)
    for service in services:
        if service.problem and not service.ok:
            console.print(f"[red]{service.name}[/]: {escape(service.problem)}", soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h"
    return f"{hour} h {minute:02d} min" if hour else f"{minute} min {second:02d} s"
