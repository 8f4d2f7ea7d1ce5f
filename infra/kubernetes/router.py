"""The route of one pipeline at the gateway: changing it so that no request is lost on the way.

A proxy that hears of a colour together with the first requests for it answers some of them with 500: the route may be
there before the colour's pods are. So a colour is made known first, with the smallest weight there is, and forgotten
when it is stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.kubernetes.figures import members
from infra.kubernetes.gateway import Gateway
from infra.kubernetes.names import ANSWER, PART_OF, pipeline_labels, slug
from infra.kubernetes.routes import (
    answer,
    clusters,
    gone_answers,
    gone_route,
    held,
    own_cluster,
    policy,
    requested,
    route,
    shown_header,
    slash_answer,
)
from tidewheel.errors import PlatformError
from tidewheel.polling import poll
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from infra.kubernetes.api import Document, KubernetesApi
    from infra.kubernetes.figures import ClusterFigures
    from infra.kubernetes.scaling import Scaling
    from tidewheel.release.traffic import Gone
    from tidewheel.settings import Settings

POLL_SECONDS = 0.1
TAKEN_SECONDS = 5.0
"""How long the gateway may take to make a colour known, or to forget it."""


class Router:
    """The gateway, for one pipeline.

    Args:
        api: of the namespace with the routes.
        settings: of the installation.
        pipeline: its name.
        scaling: knows how many pods each colour has.
    """

    def __init__(self, api: KubernetesApi, settings: Settings, pipeline: str, scaling: Scaling) -> None:
        self._api, self._pipeline, self._scaling = api, pipeline, scaling
        self.gateway = Gateway(api, settings)

    def route(self, traffic: Traffic, token: str) -> None:
        """Have requests go somewhere.

        Args:
            traffic: where; `live` is not None.
            token: the platform's.

        Raises:
            PlatformError: the gateway's pods do not know a colour that is to answer; nothing is changed.
        """
        stored = self._stored()
        before, known = requested(stored), held(stored)
        answering = frozenset(Colour) if traffic.share else traffic.reached - _copied(traffic)
        if before.live is not None and not answering <= known:
            self._apply(before, token, retained=True)
            known = frozenset(Colour)
            if not self._await(before, retained=True, warm=answering):
                names = " and ".join(sorted(answering))
                why = self.objection() or f"its pods do not know {names} of {self._pipeline} after {TAKEN_SECONDS:g} s"
                raise PlatformError(f"the gateway cannot be sent to {names}, and no request goes there: {why}")
        self._apply(traffic, token, retained=len(known) > 1)

    def forget(self, colour: Colour, token: str) -> None:
        """Have the gateway forget a colour to which nothing is routed.

        Raises:
            PlatformError: it has not.
        """
        stored = self._stored()
        if colour not in held(stored):
            return
        traffic = requested(stored)
        self._apply(traffic, token, retained=False)
        if not self._await(traffic, retained=False):
            why = self.objection() or f"the gateway still knows {colour} of {self._pipeline}"
            raise PlatformError(f"{colour} is not stopped: {why}")

    def withdraw(self, gone: Gone) -> None:
        """Let callers know that nothing answers any more."""
        for document in (_shown(), *gone_answers(self._pipeline, gone)):
            self._api.apply(document)
        self._api.apply(gone_route(self._pipeline, self.gateway.reference, gone))

    def remove(self) -> None:
        """Have no route."""
        self._api.delete("HTTPRoute", slug(self._pipeline))
        self._api.delete("BackendTrafficPolicy", slug(self._pipeline))
        for found in self._api.listed("HTTPRouteFilter", pipeline_labels(self._pipeline)):
            self._api.delete("HTTPRouteFilter", found["metadata"]["name"])

    def stored(self) -> Traffic:
        """Where requests shall go, by the API server."""
        return requested(self._stored())

    def traffic(self) -> Traffic:
        """Where they go, by all pods of the gateway."""
        return self.gateway.traffic(self._pipeline, self.gateway.addresses())

    def objection(self) -> str:
        """Why the gateway has not taken the route as it is, empty where it has."""
        return self.gateway.objection(self._pipeline, self._stored())

    def figures(self, colour: Colour) -> ClusterFigures:
        """What the gateway has counted of a colour; nothing where no route ever made the colour known.

        Raises:
            PlatformError: the gateway does not say.
        """
        figures_of_pods = self.gateway.figures(clusters(self._api.namespace, self._pipeline, colour))
        stored = self._stored()
        if not figures_of_pods.known and colour in held(stored) | requested(stored).reached:
            raise PlatformError(f"the gateway has no figures of {self._pipeline}'s {colour}, to which it has a route")
        return figures_of_pods

    def _stored(self) -> Document | None:
        return self._api.get("HTTPRoute", slug(self._pipeline))

    def _apply(self, traffic: Traffic, token: str, *, retained: bool) -> None:
        # A request that a pod has died of may be given to another of its colour.
        limits = [self._scaling.limits(colour) for colour in traffic.reached]
        elsewhere = all(limit is not None and limit.minimum > 1 for limit in limits)
        for document in (
            _shown(),
            slash_answer(self._pipeline),
            policy(self._pipeline, elsewhere=elsewhere),
            route(self._pipeline, self.gateway.reference, traffic, token, retained=retained),
        ):
            self._api.apply(document)

    def _await(self, traffic: Traffic, *, retained: bool, warm: frozenset[Colour] = frozenset()) -> bool:
        """Wait until all pods of the gateway have a route, and know pods of these colours; whether they do."""
        names = {own_cluster(self._api.namespace, self._pipeline, colour) for colour in warm}
        header = shown_header(traffic, retained=retained)
        for _ in poll(TAKEN_SECONDS, every=POLL_SECONDS):
            addresses = self.gateway.addresses()
            if all(self.gateway.shown(self._pipeline, address) == header for address in addresses) and all(
                members(address.rpartition(":")[0], name) for address in addresses for name in names
            ):
                return True
        return False


def _copied(traffic: Traffic) -> frozenset[Colour]:
    """The colour that gets copies alone: a copy that finds nobody is missed by nobody."""
    return frozenset({traffic.live.other}) if traffic.live and traffic.mirrored and not traffic.share else frozenset()


def _shown() -> Document:
    return {**answer(ANSWER, 200, {"status": "ok"}), "metadata": {"name": ANSWER, "labels": PART_OF}}
