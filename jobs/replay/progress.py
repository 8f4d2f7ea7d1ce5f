"""How far the simulations are: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from jobs.replay.simulation import Simulation
from jobs.replay.workers import Report, SimulationRequest
from tidewheel.partitions import PartitionRange
from tidewheel.quantities import quantity

log = logging.getLogger("tidewheel.replay")
LINE_SECONDS = 30


class Progress:
    """Shows the simulations that run.

    Args:
        played: first and last day of each.
    """

    def __init__(self, played: PartitionRange) -> None:
        self._days, self._unit = len(played.days), played.unit
        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{self._unit}s, {{task.fields[fits]}} fits"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[SimulationRequest, TaskID] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, request: SimulationRequest) -> None:
        """A simulation waits for its turn, or begins."""
        self._tasks[request] = self._bars.add_task(_name(request), total=self._days, fits=0)

    def update(self, reports: Iterable[Report]) -> None:
        """How far the simulations have come."""
        newest = {one.request: one for one in reports}
        for request, one in newest.items():
            self._bars.update(self._tasks[request], completed=one.days, fits=one.fits)
        if newest and not self._console.is_terminal and time.monotonic() - self._last_line > LINE_SECONDS:
            of = f"of {self._days} {self._unit}s"
            message = ", ".join(f"{_name(p)} {n.days} {of}, {quantity(n.fits, 'fit')}" for p, n in newest.items())
            log.info("%s", message)
            self._last_line = time.monotonic()

    def end(self, request: SimulationRequest, simulation: Simulation, *, simulated: bool) -> None:
        """A simulation is done; `simulated` is False for one that an earlier call has stored."""
        self._bars.update(self._tasks[request], completed=self._days, fits=simulation.fits)
        if not self._console.is_terminal:
            took = f"{simulation.seconds:.0f} s" if simulated else "stored before"
            log.info("%s: %s, %s", _name(request), quantity(simulation.fits, "fit"), took)


def _name(request: SimulationRequest) -> str:
    return f"{request.policy}, seed {request.seed}"
