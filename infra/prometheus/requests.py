"""What the routers have counted of each pipeline's requests, by colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from infra.envoy.admin import ClusterRequests
from infra.prometheus.routers import ReadRouters, RouterCounts

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LABELS = ("pipeline", "colour", "router")


class RequestsCollector(Collector):
    """Reads the routers at each scrape.

    Args:
        read: reads them.
    """

    def __init__(self, read: ReadRouters) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """All metrics; only `tidewheel_router_up 0` of a router that does not answer."""
        yield from router_families(self._read())

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering the collector must not ask the router."""
        return iter(())


def router_families(found: Mapping[str, RouterCounts | None]) -> Iterator[Metric]:
    """All metrics of routers.

    Args:
        found: what each router has counted, by its name; None for one that does not answer.
    """
    up = GaugeMetricFamily("tidewheel_router_up", "1 where the router answers", labels=["router"])
    for router, counts in found.items():
        up.add_metric([router], float(counts is not None))
    yield up
    yield from _families([counts for counts in found.values() if counts is not None])


def _families(found: list[RouterCounts]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "tidewheel_router_requests", "Requests passed on to a model service, by outcome", labels=[*LABELS, "outcome"]
    )
    resets = CounterMetricFamily(
        "tidewheel_router_resets",
        "Attempts that a model service broke off; another replica may have answered",
        labels=LABELS,
    )
    active = GaugeMetricFamily(
        "tidewheel_router_requests_in_flight", "Requests that a model service has not answered yet", labels=LABELS
    )
    seconds = HistogramMetricFamily(
        "tidewheel_router_request_seconds", "Time from passing a request on to the end of its response", labels=LABELS
    )
    for counts in found:
        for service, counted in sorted(counts.services.items()):
            labels = [*service, counts.router]
            answered = counted.completed - counted.failed - counted.refused
            outcomes = {"answered": answered, "refused": counted.refused, "failed": counted.failed}
            for outcome, number in outcomes.items():
                requests.add_metric([*labels, outcome], number)
            resets.add_metric(labels, counted.resets)
            active.add_metric(labels, counted.active)
            seconds.add_metric(labels, _buckets(counted), sum_value=None)
    yield from (requests, resets, active, seconds)


def _buckets(requests: ClusterRequests) -> list[tuple[str, float]]:
    """Counts up to each bound. Envoy's bins are a tenth of a power of ten wide: one that a bound cuts lies above it."""
    up_to = [(str(le), float(sum(n for ms, n in requests.times if ms <= le * 1000))) for le in SECONDS]
    return [*up_to, ("+Inf", float(sum(n for _, n in requests.times)))]
