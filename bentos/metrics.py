"""The metrics at /metrics, by version of the model: no label has values that a caller can invent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from bentos.contract_counts import ContractCounts
    from bentos.loaded_model import LoadedModel
    from bentos.prediction_log import PredictionLog

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
ROWS = (1, 10, 100, 1000, 10_000)
VERSION = "model_version"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PredictionLogCollector(Collector):
    """What the prediction log counts itself, read at each scrape."""

    def __init__(self, log: PredictionLog) -> None:
        self._log = log

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The present figures."""
        yield CounterMetricFamily(
            "tidewheel_logged_requests", "Requests written to the prediction log.", value=self._log.written
        )
        dropped = CounterMetricFamily(
            "tidewheel_log_dropped_requests",
            "Requests that are missing from the prediction log, by reason.",
            labels=["reason"],
        )
        for reason, count in self._log.dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield CounterMetricFamily(
            "tidewheel_log_cut_requests",
            "Requests of which only the first rows are in the prediction log.",
            value=self._log.cut_requests,
        )
        yield CounterMetricFamily(
            "tidewheel_log_cut_rows",
            "Rows of requests that are missing from the prediction log.",
            value=self._log.cut_rows,
        )


class Metrics:
    """The metrics of one process.

    Attributes:
        registry: the metrics.
    """

    def __init__(
        self, model: LoadedModel, log: PredictionLog | None = None, counts: ContractCounts | None = None
    ) -> None:
        self.registry = CollectorRegistry()
        packaged = model.packaged
        self._version = packaged.version
        self._requests = Counter(
            "tidewheel_requests", "Requests to /predict by status.", [VERSION, "status"], registry=self.registry
        )
        self._ok = self._requests.labels(self._version, "200")
        self._seconds = Histogram(
            "tidewheel_request_seconds",
            "Time from the last byte of a request to its response.",
            [VERSION],
            buckets=SECONDS,
            registry=self.registry,
        ).labels(self._version)
        self._rows = Histogram(
            "tidewheel_request_rows", "Rows of an answered request.", [VERSION], buckets=ROWS, registry=self.registry
        ).labels(self._version)
        self._flags = Counter(
            "tidewheel_flagged_values", "Values outside what training had.", [VERSION], registry=self.registry
        ).labels(self._version)
        self._explained = Counter(
            "tidewheel_explained_rows", "Rows answered with an explanation.", [VERSION], registry=self.registry
        ).labels(self._version)
        ProcessCollector(registry=self.registry)  # memory and CPU: a release reads how much a warm process holds
        if log:
            self.registry.register(PredictionLogCollector(log))
        if counts:
            self.registry.register(counts)
        Info("tidewheel_service", "The model that this process serves.", registry=self.registry).info(
            {
                "pipeline": packaged.pipeline,
                VERSION: packaged.version,
                "colour": model.colour,
                "format": packaged.format,
            }
        )

    def answered(self, rows: int, flags: int, seconds: float) -> None:
        """Count an answer."""
        self._ok.inc()
        self._seconds.observe(seconds)
        self._rows.observe(rows)
        if flags:
            self._flags.inc(flags)

    def explained(self, rows: int) -> None:
        """Count rows whose predictions were explained."""
        self._explained.inc(rows)

    def refused(self, status: int) -> None:
        """Count a request that was not answered."""
        self._requests.labels(self._version, str(status)).inc()

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)
