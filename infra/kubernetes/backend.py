"""The Kubernetes backend: two Deployments and Services a pipeline, and one HTTPRoute whose weights move."""

from __future__ import annotations

import base64
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from infra.kubernetes.api import Document, KubernetesApi
from infra.kubernetes.figures import resident_mb
from infra.kubernetes.gateway import Disagreement, Gateway
from infra.kubernetes.names import (
    CONTENT,
    PART_OF,
    PIPELINE,
    TOKEN,
    VERSION,
    colour_labels,
    colour_name,
)
from infra.kubernetes.pod import GRACE_SECONDS, BentoSource, from_lake, pod_template, version_annotations
from infra.kubernetes.problems import is_ready, missing, problem
from infra.kubernetes.router import Router
from infra.kubernetes.routes import prefix
from infra.kubernetes.scaling import AUTOSCALER, Scaling, limit_annotations, scales
from infra.kubernetes.serving_pod import PORT
from infra.kubernetes.workload import deployment, disruption_budget, service
from tidewheel.errors import ReleaseError
from tidewheel.polling import poll
from tidewheel.release import Colour
from tidewheel.release.traffic import Gone, Traffic
from tidewheel.spec import find_pipeline
from tidewheel.spec.serving import Replicas

if TYPE_CHECKING:
    from kubernetes.client import models as k8s

    from tidewheel.policies.guard import RequestCounts
    from tidewheel.release.artifact import Artifact
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

POLL_SECONDS = 0.2
STOP_SECONDS = GRACE_SECONDS + 30
"""How long a colour's pods may take to leave: their own time, and the kubelet's to notice."""


class KubernetesBackend:
    """One pipeline's colours on a cluster; see `tidewheel.release.backend.Backend`.

    Args:
        settings: of an installation that serves on Kubernetes.
        pipeline: name of the pipeline.
        declaration: of the pipeline; by default its file is read when a version is started.
        source: brings a version into its pods.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: str,
        *,
        declaration: Pipeline | None = None,
        source: BentoSource = from_lake,
    ) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._declaration, self._source = declaration, source
        self._api = KubernetesApi(settings.serving_namespace)
        self._scaling = Scaling(self._api, pipeline)
        self._router = Router(self._api, settings, pipeline, self._scaling)
        self._router_url = settings.require("endpoint_url").rstrip("/")

    def start(self, colour: Colour, artifact: Artifact, replicas: int) -> None:
        """Have this artifact, and nothing else, run in a colour; do not wait until it is ready.

        Args:
            colour: blue or green.
            artifact: the version.
            replicas: fewest pods; how many there may be the pipeline file says.
        """
        declared = self._declared().serving.replicas
        requested = declared.model_copy(update={"minimum": replicas, "maximum": max(declared.maximum, replicas)})
        self.token()  # the pods read it
        there = self._deployment(colour)
        if there is not None and there["metadata"]["annotations"].get(CONTENT) != artifact.content_hash:
            self._refuse_routed(colour)
            self._remove(colour)
            there = None
        self._await_gone(colour, leaving_only=there is not None)
        self._apply_services()
        self._apply_workload(colour, artifact, requested, new=there is None)

    def stop(self, colour: Colour) -> None:
        """Have nothing run in a colour, to which nothing is routed."""
        self._refuse_routed(colour)
        self._remove(colour)
        self._scaling.hold(colour.other)  # its size was held until this one had gone

    def version(self, colour: Colour) -> str | None:
        """Which version was started in a colour, None where none was."""
        deployment = self._deployment(colour)
        return str(deployment["metadata"]["annotations"][VERSION]) if deployment else None

    def problem(self, colour: Colour) -> str:
        """Why what was started in a colour does not run, with the end of its log; empty where it runs."""
        deployment = self._deployment(colour)
        if deployment is None:
            return f"there is no Deployment {self._name(colour)} in namespace {self._api.namespace}"
        return problem(deployment, self._pods(colour))

    def missing(self, colour: Colour) -> str:
        """What a colour still lacks although some of it may answer: pods that are not available yet."""
        deployment = self._deployment(colour)
        if deployment is None:
            return self.problem(colour)
        return missing(deployment, self._pods(colour), self._scaling.floor(colour))

    def replicas(self, colour: Colour) -> int:
        """How many pods a colour was started with, 0 where nothing was started; an autoscaler may have added some."""
        limits = self._scaling.limits(colour)
        return limits.minimum if limits else 0

    def maximum(self, colour: Colour) -> int | None:
        """How many pods an autoscaler may make of a colour, as it was declared when the colour was started."""
        limits = self._scaling.limits(colour)
        return limits.maximum if limits else None

    def ready_replicas(self, colour: Colour) -> int:
        """How many pods of a colour get requests."""
        deployment = self._deployment(colour)
        return int(deployment.get("status", {}).get("readyReplicas", 0)) if deployment else 0

    def memory_mb(self, colour: Colour) -> float:
        """Resident memory of as many processes as a colour was started with, each as large as its largest, in MiB.

        Raises:
            ReleaseError: none is ready.
        """
        urls = self._ready_pods(colour)
        if not urls:
            raise ReleaseError(f"no pod of {self._name(colour)} is ready: {self.missing(colour)}")
        largest = max(resident_mb(f"{url}/metrics") for url in urls)
        return largest * self.replicas(colour)

    def address(self, colour: Colour) -> str:
        """URL of a colour itself, past the router.

        Raises:
            ReleaseError: nothing was ever started there.
        """
        service = self._api.get("Service", self._name(colour))
        if service is None:
            raise ReleaseError(f"nothing was started as {self._name(colour)}")
        return f"http://{service['spec']['clusterIP']}:{PORT}"

    def addresses(self, colour: Colour) -> Sequence[str]:
        """URL of each ready pod of a colour, past the router; that of the colour where there is none."""
        return self._ready_pods(colour) or [self.address(colour)]

    def token(self) -> str:
        """What a release's requests show, so that the services know them from a caller's; made when first needed."""
        secret = self._api.get("Secret", TOKEN)
        if secret is None:
            made = {"metadata": {"name": TOKEN, "labels": PART_OF}, "stringData": {"token": secrets.token_urlsafe(32)}}
            self._api.create({"apiVersion": "v1", "kind": "Secret", **made})
            return self.token()
        return base64.b64decode(secret["data"]["token"]).decode()

    def endpoint(self) -> str:
        """URL of the pipeline through the router."""
        return f"{self._router_url}/{self._pipeline}"

    def routers(self) -> Sequence[str]:
        """URL of the pipeline through each of the gateway's pods."""
        return [f"http://{address}{prefix(self._pipeline)}".rstrip("/") for address in self._router.gateway.addresses()]

    def route(self, traffic: Traffic) -> None:
        """Tell the gateway where requests go."""
        if traffic.live is None:
            if self._router.stored().live is not None:  # else callers may be answered that nothing is there any more
                self._router.remove()
            return
        if absent := sorted(colour for colour in traffic.reached if self._deployment(colour) is None):
            names = " and ".join(self._name(colour) for colour in absent)
            raise ReleaseError(f"nothing was started as {names}: it cannot be routed to")
        self._apply_services()
        self._router.route(traffic, self.token())

    def withdraw(self, gone: Gone) -> None:
        """Tell the gateway that nothing answers for this pipeline any more, and what callers get."""
        self._router.withdraw(gone)

    def traffic(self) -> Traffic:
        """Where the gateway sends requests, by the routes that its pods have and not by what the API server holds."""
        return self._router.traffic()

    def objection(self) -> str:
        """Why the gateway has not taken the route as it is, empty where it has."""
        return self._router.objection()

    @classmethod
    def all_traffic(cls, settings: Settings) -> Mapping[str, Traffic]:
        """Where the gateway sends the requests of each pipeline that it has a route for.

        A pipeline about which the gateway's pods differ, as for a moment after a switch, is left out.

        Raises:
            PlatformError: a pod of the gateway does not answer, or there is none.
        """
        api = KubernetesApi(settings.serving_namespace)
        gateway = Gateway(api, settings)
        names = sorted(found["metadata"]["annotations"][PIPELINE] for found in api.listed("HTTPRoute", PART_OF))
        addresses, known = gateway.addresses() if names else [], {}
        for name in names:
            try:
                known[name] = gateway.traffic(name, addresses)
            except Disagreement as error:
                log.warning("%s", error)
        return {name: traffic for name, traffic in known.items() if traffic.live}

    def in_flight(self, colour: Colour) -> int:
        """Requests that the gateway waits for a colour to answer."""
        return self._router.figures(colour).active

    def request_counts(self, colour: Colour) -> RequestCounts:
        """What the gateway has counted of a colour so far."""
        return self._router.figures(colour).request_counts()

    def _name(self, colour: Colour) -> str:
        return colour_name(self._pipeline, colour)

    def _deployment(self, colour: Colour) -> Document | None:
        return self._api.get("Deployment", self._name(colour))

    def _pods(self, colour: Colour) -> list[k8s.V1Pod]:
        return self._api.pods(colour_labels(self._pipeline, colour))

    def _ready_pods(self, colour: Colour) -> list[str]:
        """URL of each pod that answers and goes on to: not of one that is on its way in or out."""
        pods = [pod for pod in self._pods(colour) if is_ready(pod) and pod.metadata.deletion_timestamp is None]
        return [f"http://{pod.status.pod_ip}:{PORT}" for pod in pods]

    def _declared(self) -> Pipeline:
        return self._declaration or find_pipeline(self._settings.pipelines_folder, self._pipeline)

    def _refuse_routed(self, colour: Colour) -> None:
        if colour in self._router.stored().reached | self.traffic().reached:
            raise ReleaseError(f"requests are routed to {self._name(colour)}: it must not be stopped")

    def _apply_services(self) -> None:
        # Both, always: a route that names a Service which is not there is not taken.
        for colour in Colour:
            self._api.apply(service(self._pipeline, colour))

    def _apply_workload(self, colour: Colour, artifact: Artifact, requested: Replicas, *, new: bool) -> None:
        template = pod_template(self._settings, self._declared(), colour, artifact, self._source)
        remembered = {**version_annotations(artifact), **limit_annotations(requested)}
        fixed = None if scales(requested) else requested.minimum
        # As large as the live one from the start. While there are two colours neither gets smaller: the one without
        # requests may have to take them all at once.
        floor = max(requested.minimum, self._scaling.size(colour.other))
        if new and fixed is None:
            size = min(floor, requested.maximum)
            self._api.create(deployment(self._pipeline, colour, template, remembered, size))
        self._api.apply(deployment(self._pipeline, colour, template, remembered, fixed))
        self._api.apply(disruption_budget(self._pipeline, colour))
        for each in Colour:
            self._scaling.hold(each, floor)

    def _remove(self, colour: Colour) -> None:
        self._router.forget(colour, self.token())
        for kind in (AUTOSCALER, "PodDisruptionBudget", "Deployment"):
            self._api.delete(kind, self._name(colour))
        self._await_gone(colour)

    def _await_gone(self, colour: Colour, *, leaving_only: bool = False) -> None:
        """Wait until pods have left: while they do, a Service without others still sends them what comes."""
        for _ in poll(STOP_SECONDS, every=POLL_SECONDS):
            left = [pod for pod in self._pods(colour) if not leaving_only or pod.metadata.deletion_timestamp]
            if not left:
                return
        names = ", ".join(pod.metadata.name for pod in left)
        raise ReleaseError(
            f"pods of {self._name(colour)} are still there after {STOP_SECONDS} s: {names}; see that their "
            f"node answers, and delete them (`kubectl delete pod -n {self._api.namespace} {names}`)"
        )
