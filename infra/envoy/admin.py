"""What Envoy says it does, by its admin address."""

from __future__ import annotations

import re
from typing import Any

import httpx

from infra.envoy.bootstrap import ROUTE_TABLE
from infra.envoy.routing import prefix
from tidewheel.errors import PlatformError

TIMEOUT_SECONDS = 5.0


class EnvoyAdmin:
    """A running Envoy.

    Args:
        url: its admin address.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def cluster_of(self, pipeline: str) -> str | None:
        """The cluster that requests of a pipeline go to, by the route table that is in force; None where none does.

        Raises:
            PlatformError: Envoy does not answer.
        """
        tables = self._get("/config_dump", {"resource": "dynamic_route_configs"}).get("configs", [])
        for table in tables:
            config = table.get("route_config", {})
            if config.get("name") != ROUTE_TABLE:
                continue
            for host in config.get("virtual_hosts", []):
                for route in host.get("routes", []):
                    if route["match"].get("prefix") == prefix(pipeline):
                        return str(route["route"]["cluster"])
        return None

    def active_requests(self, cluster: str) -> int:
        """Requests that a cluster has not answered yet.

        Raises:
            PlatformError: Envoy does not answer.
        """
        name = f"cluster.{cluster}.upstream_rq_active"
        found = self._get("/stats", {"filter": f"^{re.escape(name)}$", "format": "json"}).get("stats", [])
        return sum(int(stat["value"]) for stat in found if stat.get("name") == name)

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=TIMEOUT_SECONDS, trust_env=False)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise PlatformError(
                f"Envoy does not answer at {self.url} ({error}); is the platform up (`tidewheel status`)?"
            ) from error
        return answer.json()  # type: ignore[no-any-return]
