"""An API server and a gateway in memory: objects are what was applied last, and the gateway does what routes say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from infra.kubernetes.backend import KubernetesBackend
from infra.kubernetes.gateway import Gateway
from infra.kubernetes.routes import TRAFFIC_HEADER

if TYPE_CHECKING:
    from kubernetes.client import models as k8s

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

Document = dict[str, Any]
GATEWAY_POD = "127.0.0.1:1"


@dataclass
class MemoryApi:
    """What `infra.kubernetes.api.KubernetesApi` is for a namespace."""

    namespace: str = "ns"
    objects: dict[tuple[str, str], Document] = field(default_factory=dict)
    running: list[k8s.V1Pod] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)

    def get(self, kind: str, name: str, namespace: str = "") -> Document | None:
        if kind == "Secret":
            return {"data": {"token": "dG9rZW4="}}
        return self.objects.get((kind, name))

    def listed(self, kind: str, labels: Mapping[str, str], namespace: str = "") -> list[Document]:
        return [
            found
            for (each, _), found in self.objects.items()
            if each == kind and labels.items() <= found["metadata"]["labels"].items()
        ]

    def pods(self, labels: Mapping[str, str], namespace: str = "") -> list[k8s.V1Pod]:
        return [pod for pod in self.running if labels.items() <= (pod.metadata.labels or {}).items()]

    def serves(self, group: str) -> bool:
        return group in self.groups

    def create(self, document: Document) -> None:
        self.objects.setdefault((document["kind"], document["metadata"]["name"]), document)

    def apply(self, document: Document) -> None:
        before = self.get(document["kind"], document["metadata"]["name"]) or {}
        spec = {**before.get("spec", {}), **document["spec"]}  # as a server does with what others have set
        self.objects[document["kind"], document["metadata"]["name"]] = {**document, "spec": spec}

    def delete(self, kind: str, name: str) -> None:
        self.objects.pop((kind, name), None)

    def scale(self, name: str, replicas: int) -> None:
        """Do as an autoscaler."""
        self.objects["Deployment", name]["spec"]["replicas"] = replicas

    def limits(self, name: str) -> tuple[int, int] | None:
        """Of an autoscaler."""
        found = self.get("HorizontalPodAutoscaler", name)
        return (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) if found else None

    def metrics(self, name: str) -> list[Document]:
        """What an autoscaler follows."""
        found: list[Document] = self.objects["HorizontalPodAutoscaler", name]["spec"]["metrics"]
        return found

    def shown(self, pipeline: str) -> str:
        """What the gateway shows of a pipeline's route."""
        for route in self.listed("HTTPRoute", {}):
            for rule in route["spec"]["rules"]:
                for filter_ in rule["filters"]:
                    for header in filter_.get("responseHeaderModifier", {}).get("set", []):
                        path = rule["matches"][0]["path"]["value"]
                        if header["name"] == TRAFFIC_HEADER and path == f"/{pipeline}/routez":
                            return str(header["value"])
        return ""


@contextmanager
def in_memory() -> Iterator[MemoryApi]:
    """Backends that are made meanwhile have this API server."""
    api = MemoryApi()
    with (
        patch("infra.kubernetes.backend.KubernetesApi", lambda namespace: api),
        patch.object(Gateway, "addresses", lambda self: [GATEWAY_POD]),
        patch.object(Gateway, "objection", lambda self, pipeline, route: ""),
        patch.object(Gateway, "shown", lambda self, pipeline, address: api.shown(pipeline)),
        patch("infra.kubernetes.router.members", lambda address, cluster: 1),
    ):
        yield api


def backend(settings: Settings, name: str, declaration: Pipeline | None = None) -> KubernetesBackend:
    """A backend whose pods mount nothing."""
    return KubernetesBackend(settings, name, declaration=declaration, source=lambda *_: {})
