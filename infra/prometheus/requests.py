"""What the router has counted of each pipeline's requests, by colour."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from infra.envoy.admin import ClusterRequests, EnvoyAdmin
from tidewheel.errors import PlatformError
from tidewheel.release import Colour

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


log = logging.getLogger("tidewheel.exporter")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LABELS = ("pipeline", "colour")


class RequestsCollector(Collector):
    """Asks the router at each scrape.

    Args:
        admin: of the router.
    """

    def __init__(self, admin: EnvoyAdmin) -> None:
        self._admin = admin

    def collect(self) -> Iterator[Metric]:
        """All metrics; only `tidewheel_router_up 0` where the router does not answer."""
        counted: Mapping[str, ClusterRequests] | None = None
        try:
            counted = self._admin.all_requests()
        except PlatformError as error:
            log.warning("%s", error)
        yield GaugeMetricFamily("tidewheel_router_up", "1 where the router answers", value=float(counted is not None))
        if counted is not None:
            yield from _families(counted)

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering the collector must not ask the router."""
        return iter(())


def _families(counted: Mapping[str, ClusterRequests]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "tidewheel_router_requests", "Requests passed on, by what came of them", labels=[*LABELS, "outcome"]
    )
    resets = CounterMetricFamily(
        "tidewheel_router_resets", "Attempts that a service cut off; another replica may have answered", labels=LABELS
    )
    seconds = HistogramMetricFamily(
        "tidewheel_router_request_seconds", "From passing a request on to the end of its answer", labels=LABELS
    )
    for cluster, found in sorted(counted.items()):
        pipeline, _, colour = cluster.rpartition("-")
        if colour not in set(Colour):
            continue
        answered = found.completed - found.failed - found.refused
        outcomes = {"answered": answered, "refused": found.refused, "failed": found.failed}
        for outcome, number in outcomes.items():
            requests.add_metric([pipeline, colour, outcome], number)
        resets.add_metric([pipeline, colour], found.resets)
        seconds.add_metric([pipeline, colour], _buckets(found), sum_value=None)
    yield from (requests, resets, seconds)


def _buckets(found: ClusterRequests) -> list[tuple[str, float]]:
    """Counts up to each bound. Envoy's bins are a tenth of a power of ten wide: one that a bound cuts lies above it."""
    up_to = [(str(le), float(sum(n for ms, n in found.times if ms <= le * 1000))) for le in SECONDS]
    return [*up_to, ("+Inf", float(sum(n for _, n in found.times)))]
