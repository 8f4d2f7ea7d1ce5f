"""Keeps the routers' counters in the ledger, so that traffic is known without Prometheus."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.prometheus.routers import ReadRouters
from tidewheel.errors import LedgerError
from tidewheel.ledger.traffic import HOUR, Reading, TrafficLog

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("tidewheel.exporter")
READ_SECONDS = 15.0
"""What a router counts between its last reading and its end is lost with it."""
HELD_READINGS = 240
"""Of a router while the ledger is away, one a minute; after more than four hours, fewer."""


class TrafficRecorder:
    """Reads the routers again and again; while the ledger is away, it holds the last reading of each minute.

    Args:
        read: reads the routers.
        traffic: where readings go.
    """

    def __init__(self, read: ReadRouters, traffic: TrafficLog) -> None:
        self._read, self._traffic = read, traffic
        self._held: dict[str, list[Reading]] = {}
        self._rolled_up = 0.0
        self._away = False

    def run(self, stop: threading.Event, seconds: float = READ_SECONDS) -> None:
        """Read until `stop` is set, and once more then.

        Args:
            stop: ends it.
            seconds: from one reading to the next.
        """
        while not stop.wait(seconds - time.time() % seconds):
            try:
                self.step()
            except Exception:  # whatever a router or a database says: the next reading has what this one missed
                log.exception("this reading of the routers failed")
        self.step()

    def step(self) -> None:
        """Read once, and write what the ledger takes."""
        for counts in self._read().values():
            if counts is not None:
                self._hold(counts.reading())
        try:
            self._write()
        except LedgerError as error:
            if not self._away:
                log.warning("traffic is held back until the ledger answers: %s", error)
            self._away = True
        else:
            if self._away:
                log.warning("the ledger answers again, and has the traffic")
            self._away = False

    def _write(self) -> None:
        for readings in self._held.values():
            while readings:
                self._traffic.record(readings[0])
                del readings[0]
        if time.time() - self._rolled_up > HOUR:
            self._traffic.roll_up(datetime.now(UTC))
            self._rolled_up = time.time()

    def _hold(self, new: Reading) -> None:
        """Add a reading; it replaces the router's last one of the same minute, since counters only grow."""
        readings = self._held.setdefault(new.router, [])
        if len(readings) > 1 and _minute(readings[-1]) == _minute(new) and _between(readings[-2], readings[-1], new):
            readings.pop()
        readings.append(new)
        if len(readings) > HELD_READINGS:
            self._held[new.router] = _thinned(readings)


def _thinned(readings: Sequence[Reading]) -> list[Reading]:
    """Readings without every second one that others make superfluous."""
    inner = zip(readings, readings[1:], readings[2:], strict=False)
    middles = [
        middle for n, (before, middle, after) in enumerate(inner) if n % 2 or not _between(before, middle, after)
    ]
    return [readings[0], *middles, readings[-1]]


def _between(before: Reading, middle: Reading, after: Reading) -> bool:
    """Whether a reading may be left out: the router counted on from the one before it to the one after it."""
    return _follows(middle, before) and _follows(after, middle)


def _follows(new: Reading, old: Reading) -> bool:
    """Whether all that an earlier reading of a router counts is in a later one too."""
    return new.uptime_seconds >= old.uptime_seconds and new.counted.keys() >= old.counted.keys()


def _minute(reading: Reading) -> datetime:
    return reading.at.replace(second=0, microsecond=0)
