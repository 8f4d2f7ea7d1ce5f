"""How the demo tells what it does: a heading and a reason for each step, a live line while something runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner


class Display:
    """Writes to a terminal with a live line, or plainly to a pipe or a file."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._doing = ""

    @contextmanager
    def step(self, number: int, of: int, title: str, why: str) -> Iterator[None]:
        """One step of the story; what happens inside is shown below its heading."""
        self.console.print(f"\n[bold cyan]{number}/{of}[/] [bold]{escape(title)}[/]")
        self.console.print(f"    [dim]{escape(why)}[/]")
        began = time.monotonic()
        self._doing = ""
        with Live(get_renderable=self._line, console=self.console, transient=True, refresh_per_second=4):
            yield
        self.console.print(f"    [green]✓[/] [dim]{_clock(time.monotonic() - began)}[/]")

    def doing(self, what: str) -> None:
        """What runs now; a new line only where it changed and nobody watches live."""
        if what != self._doing and not self.console.is_terminal:
            self.console.print(f"    … {escape(what)}")
        self._doing = what

    def say(self, sentence: str) -> None:
        """Something worth keeping on the screen."""
        self.console.print(f"    {escape(sentence)}")

    def warn(self, sentence: str) -> None:
        """Something a reader should not overlook."""
        self.console.print(f"    [yellow]![/] {escape(sentence)}")

    def _line(self) -> Spinner:
        text = f"[dim]{_clock(time.monotonic() - self._began)}[/] {escape(self._doing)}"
        return Spinner("dots", text, style="cyan")


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes}:{second:02d}"
