"""One collection for several scrapes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

FRESH_SECONDS = 1.0


class SharedCollector(Collector):
    """Collects once for all scrapes that arrive meanwhile or within a second.

    A scrape that Prometheus has given up goes on here; without this, scrapes of a busy machine would pile up.

    Args:
        collector: that does the work.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._lock = threading.Lock()
        self._collected_at = float("-inf")
        self._metrics: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        """The metrics."""
        with self._lock:
            if time.monotonic() - self._collected_at > FRESH_SECONDS:
                self._metrics = list(self._collector.collect())
                self._collected_at = time.monotonic()
            return self._metrics

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering the collector must not collect."""
        return []
