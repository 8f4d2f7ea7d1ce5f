"""What Envoy says it does, by its admin socket."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import httpx

from infra.envoy.bootstrap import ROUTE_TABLE
from infra.envoy.routing import pipeline_below
from tidewheel.errors import PlatformError
from tidewheel.http_client import failure, http_client, plain_transport
from tidewheel.policies.guard import RequestCounts

TIMEOUT_SECONDS = 5.0
UNIX = "unix://"
FOR_PROMETHEUS = (
    r"^server\.(uptime|live|memory_allocated|total_connections)$"
    r"|^http\.endpoint\.(downstream_cx_(active|total|overload_disable_keepalive)|downstream_rq_(active|timeout))$"
    r"|^listener\..*\.(downstream_global_cx_overflow|ssl\.connection_error)$"
    r"|^cluster\.[^.]+\.(upstream_cx_(active|connect_fail)|membership_(healthy|total)"
    r"|upstream_rq_(active|retry|timeout|pending_overflow))$"
)
"""Envoy's own metrics that the exporter passes on: of several thousand, those that somebody looks at."""
REQUESTS = tuple(f"upstream_rq_{name}" for name in ("completed", "5xx", "4xx", "rx_reset", "active", "time"))


class ClusterRequests(NamedTuple):
    """What Envoy has counted of a cluster's requests.

    Attributes:
        completed: answered, by the cluster or in its place.
        failed: of them, with a 5xx.
        refused: of them, with a 4xx.
        resets: attempts that were cut off; another replica may have answered such a request after all.
        active: not answered yet.
        times: milliseconds to the answer, as (at most, how many).
    """

    completed: int
    failed: int
    refused: int
    resets: int
    active: int
    times: tuple[tuple[float, int], ...]


class EnvoyAdmin:
    """A running Envoy.

    Args:
        url: its admin address: `unix:///path/to/its.sock`, or an http:// address where it is somebody else's.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._socket = self.url.removeprefix(UNIX) if self.url.startswith(UNIX) else None
        self._base = "http://envoy" if self._socket else self.url

    def ready(self) -> str:
        """Why it does not take requests, empty where it does."""
        try:
            answer = self._ask("/ready", {})
        except httpx.HTTPError as error:
            return f"{self.url}: {failure(error)}"
        return "" if answer.is_success else f"{self.url}/ready: {answer.text.strip()[:100]}"

    def actions(self) -> dict[str, dict[str, Any]]:
        """What becomes of each pipeline's requests, by the route table that is in force.

        Returns:
            Route actions as `infra.envoy.routing` wrote them, by pipeline; none for one that has no route.

        Raises:
            PlatformError: Envoy does not answer.
        """
        tables = self._get("/config_dump", {"resource": "dynamic_route_configs"}).get("configs", [])
        configs = [table.get("route_config", {}) for table in tables]
        hosts = [host for config in configs if config.get("name") == ROUTE_TABLE for host in config["virtual_hosts"]]
        routes = [route for host in hosts for route in host.get("routes", [])]
        return {
            pipeline: dict(route["route"])
            for route in routes
            if (pipeline := pipeline_below(route["match"].get("prefix", ""))) and "route" in route
        }

    def uptime_seconds(self) -> float:
        """How long its process has run; its counters begin with it.

        Raises:
            PlatformError: Envoy does not answer.
        """
        return float(self._get("/server_info", {})["uptime_current_epoch"].removesuffix("s"))

    def active_requests(self, cluster: str) -> int:
        """Requests that a cluster has not answered yet.

        Raises:
            PlatformError: Envoy does not answer.
        """
        return self._count(cluster, "upstream_rq_active")

    def healthy_members(self, cluster: str) -> int:
        """Replicas of a cluster that get requests; 0 where there is no such cluster.

        Raises:
            PlatformError: Envoy does not answer.
        """
        return self._count(cluster, "membership_healthy")

    def request_counts(self, cluster: str) -> RequestCounts:
        """What Envoy has counted of a cluster since it knows it.

        Times are Envoy's own: whole milliseconds from passing a request on to the end of its answer.

        Raises:
            PlatformError: Envoy does not answer.
        """
        requests = _requests(self._counters(re.escape(cluster), REQUESTS).get(cluster, {}))
        return RequestCounts(requests.completed, requests.failed + requests.resets, requests.refused, requests.times)

    def all_requests(self) -> dict[str, ClusterRequests]:
        """Counters of each cluster that has had a request.

        Raises:
            PlatformError: Envoy does not answer.
        """
        return {cluster: _requests(found) for cluster, found in self._counters(r"[^.]+", REQUESTS).items()}

    def for_prometheus(self) -> bytes:
        """Envoy's own metrics in Prometheus' text format.

        Raises:
            PlatformError: Envoy does not answer.
        """
        return self._answered("/stats/prometheus", {"filter": FOR_PROMETHEUS}).content

    def _count(self, cluster: str, name: str) -> int:
        return int(self._counters(re.escape(cluster), [name]).get(cluster, {}).get(name, 0))

    def _counters(self, clusters: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Counters as numbers, histograms as lists of bins, by cluster; what never happened is not there."""
        pattern = f"^cluster\\.{clusters}\\.({'|'.join(map(re.escape, names))})$"
        query = {"filter": pattern, "format": "json", "histogram_buckets": "detailed"}
        counters: dict[str, dict[str, Any]] = {}
        for stat in self._get("/stats", query).get("stats", []):
            for each in [stat] if "name" in stat else stat["histograms"]["details"]:
                _, cluster, name = each["name"].split(".", 2)
                counters.setdefault(cluster, {})[name] = each["value"] if "value" in each else each["totals"]
        return counters

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        return self._answered(path, parameters).json()  # type: ignore[no-any-return]

    def _answered(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            answer = self._ask(path, parameters)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise PlatformError(
                f"Envoy does not answer at {self.url} ({failure(error)}); is the platform up (`tidewheel status`)?"
            ) from error
        return answer

    def _ask(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        with self._client() as client:
            return client.get(path, params=parameters)

    def _client(self) -> httpx.Client:
        # Without a pool: an object of this kind outlives the idle time of a connection.
        transport = plain_transport(self._socket) if self._socket else None
        return http_client(self._base, seconds=TIMEOUT_SECONDS, transport=transport)


def _requests(counters: Mapping[str, Any]) -> ClusterRequests:
    completed, failed, refused, resets, active = (int(counters.get(name, 0)) for name in REQUESTS[:-1])
    bins = counters.get("upstream_rq_time", ())
    times = tuple((bin_["lower_bound"] + max(bin_["width"], 1), bin_["count"]) for bin_ in bins)
    return ClusterRequests(completed, failed, refused, resets, active, times)
