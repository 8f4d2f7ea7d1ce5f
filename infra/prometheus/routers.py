"""The counters of each router of an installation: its Envoy on one machine, or the pods of a gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from infra.envoy.admin import ClusterRequests, EnvoyAdmin
from tidewheel.errors import PlatformError
from tidewheel.ledger.traffic import Reading
from tidewheel.policies.guard import RequestCounts
from tidewheel.release import Colour
from tidewheel.spec import pipeline_files

if TYPE_CHECKING:
    from infra.kubernetes.gateway import Gateway
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.exporter")
ENVOY, GATEWAY = "envoy", "gateway"
KUBERNETES = "infra.kubernetes:"
T = TypeVar("T")


@dataclass(frozen=True)
class RouterCounts:
    """One router's counters at a moment.

    Attributes:
        router: its name.
        at: when it was read.
        uptime_seconds: how long its process had run.
        services: counters by pipeline and colour.
        pipelines: that it was read for; None: all.
    """

    router: str
    at: datetime
    uptime_seconds: float
    services: Mapping[tuple[str, str], ClusterRequests]
    pipelines: frozenset[str] | None = None

    def reading(self) -> Reading:
        """The same for the ledger."""
        counted = {
            service: RequestCounts(counts.completed, counts.failed, counts.refused, counts.times)
            for service, counts in self.services.items()
        }
        return Reading(self.router, self.at, self.uptime_seconds, counted, self.pipelines)


ReadRouters = Callable[[], dict[str, RouterCounts | None]]
"""Reads each router, by its name; None for one that does not answer, which is logged."""


def routers(settings: Settings) -> ReadRouters | None:
    """How the routers of an installation are read; None where it has none that this process knows.

    Raises:
        SettingsError: models are served on Kubernetes, and no cluster or no Gateway is named.
    """
    if settings.envoy_admin_url:
        admin = EnvoyAdmin(settings.envoy_admin_url)
        return lambda: {ENVOY: _answered(lambda: envoy_counts(admin))}
    if settings.release_backend.startswith(KUBERNETES):
        from infra.kubernetes.api import KubernetesApi
        from infra.kubernetes.gateway import Gateway

        gateway = Gateway(KubernetesApi(settings.serving_namespace), settings)
        return lambda: gateway_counts(gateway, settings)
    return None


def envoy_counts(admin: EnvoyAdmin) -> RouterCounts:
    """The counters of the Envoy of one machine.

    Raises:
        PlatformError: it does not answer.
    """
    uptime = admin.uptime_seconds()
    named = ((cluster.rpartition("-"), requests) for cluster, requests in admin.all_requests().items())
    colours = set(Colour)
    services = {(pipeline, colour): requests for (pipeline, _, colour), requests in named if colour in colours}
    return RouterCounts(ENVOY, datetime.now(UTC), uptime, services)


def gateway_counts(gateway: Gateway, settings: Settings) -> dict[str, RouterCounts | None]:
    """The counters of each pod of the gateway on Kubernetes; copies count for the colour that gets them."""
    from infra.kubernetes.routes import clusters

    services = {
        cluster: (file.stem, str(colour))
        for file in pipeline_files(settings.pipelines_folder)
        for colour in Colour
        for cluster in clusters(settings.serving_namespace, file.stem, colour)
    }
    pods = _answered(gateway.pods)
    if pods is None:
        return {GATEWAY: None}
    return {name: _answered(lambda: _pod_counts(name, address, services)) for name, address in pods.items()}  # noqa: B023


def _pod_counts(name: str, address: str, services: Mapping[str, tuple[str, str]]) -> RouterCounts:
    from infra.kubernetes.figures import service_figures

    uptime, found = service_figures(address, services)
    counted = {
        service: ClusterRequests(each.completed, each.failed, each.refused, each.resets, each.active, each.times)
        for service, each in found.items()
    }
    read = frozenset(pipeline for pipeline, _ in services.values())
    return RouterCounts(name, datetime.now(UTC), uptime, counted, read)


def _answered(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except PlatformError as error:
        log.warning("%s", error)
        return None
