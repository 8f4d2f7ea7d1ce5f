"""How far the plays are: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from jobs.replay.play import Play
from jobs.replay.troupe import News, Part
from tidewheel.partitions import PartitionRange

log = logging.getLogger("tidewheel.replay")
LINE_SECONDS = 30


class Progress:
    """Shows the parts that are being played.

    Args:
        played: first and last day of each.
    """

    def __init__(self, played: PartitionRange) -> None:
        self._days = len(played.days)
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("days, {task.fields[fits]} fits"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[Part, TaskID] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, part: Part) -> None:
        """A part waits for its turn, or begins."""
        self._tasks[part] = self._bars.add_task(_name(part), total=self._days, fits=0)

    def tell(self, news: Iterable[News]) -> None:
        """How far the parts have come."""
        newest = {one.part: one for one in news}
        for part, one in newest.items():
            self._bars.update(self._tasks[part], completed=one.days, fits=one.fits)
        if newest and not self._console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            said = ", ".join(f"{_name(p)} {n.days} of {self._days} days, {n.fits} fits" for p, n in newest.items())
            log.info("%s", said)
            self._last_line = time.monotonic()

    def end(self, part: Part, play: Play, *, again: bool) -> None:
        """A part is done; `again` is False for one that was kept from before."""
        self._bars.update(self._tasks[part], completed=self._days, fits=play.fits)
        if not self._console.is_terminal:
            log.info(
                "%s: %s fits, %s", _name(part), play.fits, f"{play.seconds:.0f} s" if again else "kept from before"
            )


def _name(part: Part) -> str:
    return f"{part.policy}, seed {part.seed}"
