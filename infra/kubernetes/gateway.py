"""The gateway as it is: its pods, what each of them does with requests, and whether it has taken a route."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import httpx

from infra.kubernetes.figures import ClusterFigures, cluster_figures
from infra.kubernetes.names import slug
from infra.kubernetes.routes import ROUTEZ, TRAFFIC_HEADER, prefix, shown_traffic
from tidewheel.errors import PlatformError, SettingsError
from tidewheel.http_client import failure, fetch
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from infra.kubernetes.api import Document, KubernetesApi
    from tidewheel.settings import Settings

TIMEOUT_SECONDS = 5.0
REQUIRED = ("Accepted", "ResolvedRefs")


class Disagreement(PlatformError):
    """The gateway's pods have different routes for a pipeline, as for a moment after each change."""


class Gateway:
    """The Gateway that an installation's routes join.

    Args:
        api: of the namespace with the routes.
        settings: name the Gateway, and the namespace of its pods.

    Raises:
        SettingsError: TIDEWHEEL_GATEWAY is no `namespace/name`.
    """

    def __init__(self, api: KubernetesApi, settings: Settings) -> None:
        namespace, _, name = settings.gateway.partition("/")
        if not namespace or not name or "/" in name:
            raise SettingsError(
                f"TIDEWHEEL_GATEWAY is {settings.gateway!r}; expected NAMESPACE/NAME of a Gateway, such as "
                "tidewheel-gateway/tidewheel"
            )
        self.reference = (namespace, name)
        self._api, self._pods_in = api, settings.gateway_pods_namespace
        self._labels = {
            "gateway.envoyproxy.io/owning-gateway-name": name,
            "gateway.envoyproxy.io/owning-gateway-namespace": namespace,
        }

    def addresses(self) -> list[str]:
        """`host:port` of each gateway pod that takes requests without TLS.

        Raises:
            PlatformError: there is none.
        """
        endpoints = [
            f"{endpoint['addresses'][0]}:{port['port']}"
            for piece in self._api.listed("EndpointSlice", self._labels, self._pods_in)
            for port in piece.get("ports") or []
            if (port.get("name") or "http").startswith("http") and not port.get("name", "").startswith("https")
            for endpoint in piece.get("endpoints") or []
            if endpoint.get("conditions", {}).get("ready")
        ]
        if not endpoints:
            raise PlatformError(
                f"Gateway {'/'.join(self.reference)} has no pod in namespace {self._pods_in} that takes requests over "
                "HTTP: see `kubectl describe gateway`, and TIDEWHEEL_GATEWAY and TIDEWHEEL_GATEWAY_PODS_NAMESPACE"
            )
        return sorted(endpoints)

    def pods(self) -> dict[str, str]:
        """Address of each gateway pod that takes requests, by its name.

        Raises:
            PlatformError: the API server does not answer.
        """
        return {
            endpoint["targetRef"]["name"]: endpoint["addresses"][0]
            for piece in self._api.listed("EndpointSlice", self._labels, self._pods_in)
            for endpoint in piece.get("endpoints") or []
            if endpoint.get("conditions", {}).get("ready")
        }

    def traffic(self, pipeline: str, addresses: Sequence[str]) -> Traffic:
        """What all gateway pods do with a pipeline's requests, by the route that each of them has now.

        Raises:
            Disagreement: they differ.
            PlatformError: one does not answer.
        """
        shown = {address: self.shown(pipeline, address) for address in addresses}
        found = {address: shown_traffic(header) if header else Traffic() for address, header in shown.items()}
        if len(set(found.values())) > 1:
            said = "; ".join(f"{address}: {traffic}" for address, traffic in found.items())
            raise Disagreement(f"the gateway's pods do not agree where requests of {pipeline} go ({said})")
        return found[addresses[0]]

    def shown(self, pipeline: str, address: str) -> str:
        """What one gateway pod shows of the route that it has for a pipeline; empty where it has none.

        Raises:
            PlatformError: it does not answer, or another route does.
        """
        url = f"http://{address}{prefix(pipeline)}{ROUTEZ}"
        try:
            # A new connection: an old one might be to a gateway that has left.
            answer = fetch(url, TIMEOUT_SECONDS)
        except httpx.HTTPError as error:
            raise PlatformError(f"the gateway does not answer at {url}: {failure(error)}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ""
        if TRAFFIC_HEADER not in answer.headers:
            raise PlatformError(
                f"the gateway says {answer.status_code} at {url} and does not show {TRAFFIC_HEADER}: another route "
                "answers"
            )
        return str(answer.headers[TRAFFIC_HEADER])

    def figures(self, clusters: Collection[str]) -> ClusterFigures:
        """What all gateway pods have counted of clusters.

        Raises:
            PlatformError: one of them does not say.
        """
        pods = sorted({address.rpartition(":")[0] for address in self.addresses()})
        return cluster_figures(pods, clusters)

    def objection(self, pipeline: str, route: Document | None) -> str:
        """Why the gateway has not taken a pipeline's route as it is, empty where it has or where there is none."""
        if route is None:
            return ""
        subject, generation = f"HTTPRoute {self._api.namespace}/{slug(pipeline)}", route["metadata"]["generation"]
        conditions = self._conditions(route)
        for kind in REQUIRED:
            condition = conditions.get(kind)
            if condition is None or condition.get("observedGeneration", 0) < generation:
                return (
                    f"{subject} was changed and the controller of Gateway {'/'.join(self.reference)} has not taken it "
                    "up: see that Envoy Gateway's own pod runs"
                )
            if condition["status"] != "True":
                return f"{subject} was not taken ({kind}: {condition['reason']}): {condition['message']}"
        return ""

    def _conditions(self, route: Document) -> dict[str, dict[str, Any]]:
        parents = route.get("status", {}).get("parents", [])
        mine = [
            parent["conditions"]
            for parent in parents
            if (parent["parentRef"].get("namespace"), parent["parentRef"]["name"]) == self.reference
        ]
        return {condition["type"]: condition for conditions in mine for condition in conditions}
