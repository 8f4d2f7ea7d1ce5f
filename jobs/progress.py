"""How far a job over many days is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

log = logging.getLogger("tidewheel.progress")
LINE_SECONDS = 5.0

T = TypeVar("T")


def each(items: Sequence[T], what: str, unit: str = "days", console: Console | None = None) -> Iterator[T]:
    """The items, one after the other, and how many of them are done. Of one alone nothing is shown.

    Args:
        items: to work through.
        what: what is being done, for example `landing`.
        unit: what is counted, in the plural.
        console: where a bar goes; stderr by default.
    """
    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=len(items) < 2 or not console.is_terminal)
    last_line = time.monotonic()
    with bar:
        task = bar.add_task(f"{what}, {unit}", total=len(items))
        for done, item in enumerate(items):
            if not console.is_terminal and time.monotonic() - last_line > LINE_SECONDS:
                log.info("%s: %d of %d %s", what, done, len(items), unit)
                last_line = time.monotonic()
            yield item
            bar.advance(task)
