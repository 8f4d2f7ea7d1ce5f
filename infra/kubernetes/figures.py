"""Figures of pods, from the pages that Prometheus would read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tidewheel.errors import PlatformError
from tidewheel.http_client import failure, fetch
from tidewheel.policies.guard import RequestCounts

TIMEOUT_SECONDS = 5.0
STATS_PORT = 19001
"""Where each pod of Envoy Gateway's shows its figures."""
CLUSTER = "envoy_cluster_name"
FILTER = "upstream_rq_(completed|[45]xx|xx|rx_reset|active|time)$|membership_total$"
"""Of some two thousand figures, those that are read here."""
UPTIME = "server.uptime$"


@dataclass
class ClusterFigures:
    """What all gateways together have counted of some clusters."""

    known: bool = False
    completed: int = 0
    failed: int = 0
    resets: int = 0
    refused: int = 0
    active: int = 0
    below: Counter[float] = field(default_factory=Counter)

    def request_counts(self) -> RequestCounts:
        """As the guard reads it: how many took at most so long, and longer than the limit before."""
        return RequestCounts(self.completed, self.failed + self.resets, self.refused, self.times)

    @property
    def times(self) -> tuple[tuple[float, int], ...]:
        """How many took at most so many milliseconds, and longer than the limit before."""
        times, before = [], 0
        for limit in sorted(self.below):
            times.append((limit, self.below[limit] - before))
            before = self.below[limit]
        return tuple(times)


def cluster_figures(addresses: Iterable[str], clusters: Collection[str]) -> ClusterFigures:
    """What gateways have counted of clusters.

    Args:
        addresses: of the gateways' pods.
        clusters: their names.

    Raises:
        PlatformError: a gateway does not say.
    """
    figures = ClusterFigures()
    for address in addresses:
        url = f"http://{address}:{STATS_PORT}/stats/prometheus?filter={FILTER}"
        for family in text_string_to_metric_families(page(url)):
            for sample in family.samples:
                if sample.labels.get(CLUSTER) in clusters:
                    figures.known = True
                    _add(figures, sample.name, sample.labels, sample.value)
    return figures


def service_figures(
    address: str, services: Mapping[str, tuple[str, str]]
) -> tuple[float, dict[tuple[str, str], ClusterFigures]]:
    """What one gateway's pod has counted of services.

    Args:
        address: of the pod.
        services: pipeline and colour of each cluster, by the cluster's name.

    Returns:
        Seconds that the pod's Envoy has run, and the figures of each service that it knows.

    Raises:
        PlatformError: it does not say.
    """
    uptime, figures = 0.0, dict[tuple[str, str], ClusterFigures]()
    url = f"http://{address}:{STATS_PORT}/stats/prometheus?filter={FILTER}|{UPTIME}"
    for family in text_string_to_metric_families(page(url)):
        for sample in family.samples:
            if sample.name == "envoy_server_uptime":
                uptime = float(sample.value)
            elif service := services.get(sample.labels.get(CLUSTER, "")):
                _add(figures.setdefault(service, ClusterFigures(known=True)), sample.name, sample.labels, sample.value)
    return uptime, figures


def members(address: str, cluster: str) -> int:
    """How many pods one gateway's pod knows of a cluster.

    Raises:
        PlatformError: it does not say.
    """
    url = f"http://{address}:{STATS_PORT}/stats/prometheus?filter=membership_healthy$"
    for family in text_string_to_metric_families(page(url)):
        for sample in family.samples:
            if sample.labels.get(CLUSTER) == cluster:
                return int(sample.value)
    return 0


def resident_mb(url: str) -> float:
    """Resident memory of a service, in MiB, by its own page.

    Raises:
        PlatformError: it does not say.
    """
    for family in text_string_to_metric_families(page(url)):
        if family.name == "process_resident_memory_bytes":
            return float(family.samples[0].value) / 2**20
    raise PlatformError(f"{url} does not say how much memory its process holds (process_resident_memory_bytes)")


def page(url: str) -> str:
    """A page of a pod.

    Raises:
        PlatformError: it is not there.
    """
    try:
        return fetch(url, TIMEOUT_SECONDS).raise_for_status().text
    except httpx.HTTPError as error:
        raise PlatformError(
            f"{url} does not answer: {failure(error)}; this process must reach the cluster's pods"
        ) from error


def _add(figures: ClusterFigures, name: str, labels: dict[str, str], value: float) -> None:
    match name.removeprefix("envoy_cluster_upstream_rq"):
        case "_completed_total" | "_completed":
            figures.completed += int(value)
        case "_xx_total" | "_xx" if labels["envoy_response_code_class"] == "5":
            figures.failed += int(value)
        case "_xx_total" | "_xx" if labels["envoy_response_code_class"] == "4":
            figures.refused += int(value)
        case "_rx_reset_total" | "_rx_reset":
            figures.resets += int(value)
        case "_active":
            figures.active += int(value)
        case "_time_bucket" if math.isfinite(limit := float(labels["le"])):  # the last finite one holds all
            figures.below[limit] += int(value)
