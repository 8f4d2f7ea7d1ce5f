"""Releases on the cluster: a namespace, the account that releases in it, and Bentos that its pods mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from kubernetes import client, utils

from infra.kubernetes import KubernetesBackend
from infra.kubernetes.names import colour_labels, colour_name
from infra.kubernetes.pod import CONTAINER
from infra.kubernetes.serving_pod import BENTO, model_container, volumes
from tests import small_models
from tests.cluster.images import SERVING_IMAGE
from tests.cluster.kubernetes import ACCOUNT, ROOT, Cluster, Namespace
from tests.cluster.serving import KILL_SERVICE
from tests.conftest import wait_until
from tests.infra.local.conftest import Place, build_artifacts, released_by
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic, reroute
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline
from tidewheel.spec.serving import Serving

SERVING, GATEWAY = (ROOT / "infra" / "kubernetes" / f"{name}.yaml" for name in ("serving", "serving-gateway"))
GATEWAY_NAME = os.environ.get("TIDEWHEEL_TEST_GATEWAY", "tidewheel-gateway/tidewheel")
GATEWAY_PODS = os.environ.get("TIDEWHEEL_TEST_GATEWAY_PODS", "envoy-gateway-system")
CONTROLLER = "envoy-gateway"
RESOURCES = {"cpu": 0.1, "memory": "768Mi"}
"""Small, for a test's node is."""


class ServingHouse:
    """What tests of releases share: a namespace, a kubeconfig of the account that releases, and built versions."""

    def __init__(self, cluster: Cluster, namespace: Namespace, folder: Path) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.folder = folder
        self._administrator = os.environ["KUBECONFIG"]
        self.kubeconfig = namespace.airflows_kubeconfig(folder / "release.kubeconfig")
        self.pipeline = small_models.pipeline(folder)
        self.artifacts = build_artifacts(folder / "home", self.pipeline)
        self.endpoint_url = gateway_url(namespace.api)

    def settings(self, database_url: str) -> Settings:
        """Of an installation that serves in the namespace."""
        return Settings(
            home=self.folder / "home",
            database_url=database_url,
            endpoint_url=self.endpoint_url,
            release_backend="infra.kubernetes:KubernetesBackend",
            serving_image=SERVING_IMAGE,
            serving_namespace=self.namespace.name,
            gateway=GATEWAY_NAME,
            gateway_pods_namespace=GATEWAY_PODS,
        )

    @contextmanager
    def place(
        self,
        database_url: str,
        replicas: dict[str, float] | None = None,
        pod: dict[str, Any] | None = None,
        resources: Mapping[str, Any] = RESOURCES,
    ) -> Iterator[Place]:
        """A pipeline of a test's own, and its release; what `pod` says is added to its pods."""
        name = f"p_{uuid4().hex[:8]}"
        serving = Serving.model_validate({"replicas": replicas or {}, "resources": resources})
        pipeline = self.pipeline.model_copy(update={"name": name, "serving": serving})
        pipeline = released_by(pipeline, bake_seconds=0.5, memory_budget_mb=2000)
        settings, releases = self.settings(database_url), Releases(Ledger(database_url))
        if pod:
            template = self.folder / f"{name}.yaml"
            template.write_text(yaml.safe_dump({"kind": "Pod", "spec": pod}))
            settings = settings.model_copy(update={"serving_pod_template": template})
        backend = self.backend(settings, pipeline)
        build: Callable[[str], Artifact] = self.artifacts.__getitem__
        try:
            yield Place(pipeline, settings, releases, backend, Executor(pipeline, backend, releases, build), build)
        finally:
            reroute(backend, Traffic())
            for colour in Colour:
                backend.stop(colour)

    def backend(self, settings: Settings, pipeline: Pipeline) -> KubernetesBackend:
        """One as a release's process has it."""
        return KubernetesBackend(settings, pipeline.name, declaration=pipeline, source=from_node)

    def pods(self, place: Place, colour: Colour) -> list[str]:
        """Names of a colour's pods that are not leaving."""
        selector = ",".join(f"{name}={value}" for name, value in colour_labels(place.pipeline.name, colour).items())
        pods = self.namespace.core.list_namespaced_pod(self.namespace.name, label_selector=selector).items
        return [pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None]

    def kill_service(self, pod: str) -> None:
        """SIGKILL to the model's process in a pod whose processes see each other."""
        self.python_beside_service(pod, KILL_SERVICE)

    def python_beside_service(self, pod: str, program: str) -> str:
        """What a Python program prints that runs in the container of a pod's model."""
        # As who made the namespace: the account that releases may not.
        command = ["kubectl", "--kubeconfig", self._administrator, "exec", "--namespace", self.namespace.name, pod]
        command += ["--container", CONTAINER, "--", "python", "-c", program]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

    def restarts(self, pod: str) -> int:
        """How often a pod's model was started again."""
        found = self.namespace.core.read_namespaced_pod(pod, self.namespace.name)
        return int(found.status.container_statuses[0].restart_count)

    def autoscaler_limits(self, place: Place, colour: Colour) -> tuple[int, int]:
        """Fewest and most pods that a colour's autoscaler allows."""
        name = colour_name(place.pipeline.name, colour)
        spec = self._autoscaling.read_namespaced_horizontal_pod_autoscaler(name, self.namespace.name).spec
        return spec.min_replicas, spec.max_replicas

    def in_flight(self, place: Place, colour: Colour) -> float:
        """Requests in flight for each of a colour's pods times their number, as its autoscaler has read it; else 0."""
        return sum(
            float(utils.parse_quantity(metric.external.current.average_value)) * len(self.pods(place, colour))
            for metric in self._read_by_autoscaler(place, colour)
            if metric.type == "External"
        )

    def cpu_share(self, place: Place, colour: Colour) -> int:
        """Percent of the CPU that a colour's pods ask for, as its autoscaler has read it; else 0."""
        return sum(
            metric.container_resource.current.average_utilization or 0
            for metric in self._read_by_autoscaler(place, colour)
            if metric.type == "ContainerResource"
        )

    def _read_by_autoscaler(self, place: Place, colour: Colour) -> list[client.V2MetricStatus]:
        name = colour_name(place.pipeline.name, colour)
        found = self._autoscaling.read_namespaced_horizontal_pod_autoscaler(name, self.namespace.name)
        return found.status.current_metrics or []

    def let_pods_go_at_once(self, place: Place, colour: Colour) -> None:
        """Have a colour's autoscaler not wait until fewer pods have sufficed for minutes."""
        change = {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
        name = colour_name(place.pipeline.name, colour)
        self._autoscaling.patch_namespaced_horizontal_pod_autoscaler(name, self.namespace.name, change)

    @contextmanager
    def controller_away(self) -> Iterator[None]:
        """Envoy Gateway's own pod is gone; the proxies stay."""
        self._scale_controller(0)
        try:
            yield
        finally:
            self._scale_controller(1)

    def bind_releaser(self) -> None:
        """Bind the account to its Role again."""
        _, binding = yaml.safe_load_all(SERVING.read_text())
        self.namespace.rbac.create_namespaced_role_binding(self.namespace.name, binding)
        wait_until(lambda: not self.releaser_is_unbound(), "the account may read Deployments")

    def releaser_is_unbound(self) -> bool:
        """Whether the account may not read Deployments any more."""
        return not _may(self.namespace, self.namespace.name, "get", "apps", "deployments")

    @property
    def _autoscaling(self) -> client.AutoscalingV2Api:
        return client.AutoscalingV2Api(self.namespace.api)

    def has_controllers(self, replicas: int) -> bool:
        """Whether so many pods of the gateway's controller are there, and ready."""
        apps = client.AppsV1Api(self.namespace.api)
        pods = self.namespace.core.list_namespaced_pod(GATEWAY_PODS, label_selector="control-plane=envoy-gateway")
        ready = apps.read_namespaced_deployment(CONTROLLER, GATEWAY_PODS).status.ready_replicas or 0
        return len(pods.items) == ready == replicas

    def _scale_controller(self, replicas: int) -> None:
        apps = client.AppsV1Api(self.namespace.api)
        apps.patch_namespaced_deployment_scale(CONTROLLER, GATEWAY_PODS, {"spec": {"replicas": replicas}})
        wait_until(lambda: self.has_controllers(replicas), f"{CONTROLLER} has {replicas} pods", 90)


def gateway_url(api: client.ApiClient) -> str:
    """Where the Gateway that routes join takes requests.

    Raises:
        ApiException: the cluster has no such Gateway.
    """
    namespace, _, name = GATEWAY_NAME.partition("/")
    found: dict[str, Any] = client.CustomObjectsApi(api).get_namespaced_custom_object(
        "gateway.networking.k8s.io", "v1", namespace, "gateways", name
    )
    return f"http://{found['status']['addresses'][0]['value']}"


def from_node(pipeline: str, artifact: Artifact, settings: Settings) -> dict[str, Any]:
    """The part of a pod that mounts a version from the node, which is this machine: nothing is fetched."""
    model = model_container(settings)
    mounts = [mount for mount in model["volumeMounts"] if mount["name"] != "model"]
    mounts.append({"name": "model", "mountPath": BENTO, "readOnly": True})
    mounted = {"name": "model", "hostPath": {"path": artifact.path, "type": "Directory"}}
    others = [volume for volume in volumes() if volume["name"] != "model"]
    return {"containers": [{"name": CONTAINER, **model, "volumeMounts": mounts}], "volumes": [mounted, *others]}


@contextmanager
def serving_house(cluster: Cluster, folder: Path) -> Iterator[ServingHouse]:
    """A namespace in which Airflow's account may do what infra/kubernetes/serving*.yaml allow and nothing else."""
    with cluster.namespace() as namespace:
        utils.create_from_yaml(namespace.api, str(SERVING), namespace=namespace.name)
        with _gateway_reader(namespace):
            yield ServingHouse(cluster, namespace, folder)


@contextmanager
def _gateway_reader(namespace: Namespace) -> Iterator[None]:
    """Let the account of this namespace read the gateway's pods, as others of other namespaces may at the same time."""
    role, binding = yaml.safe_load_all(GATEWAY.read_text())
    name = f"{role['metadata']['name']}-{namespace.name}"
    role["metadata"]["name"] = binding["metadata"]["name"] = binding["roleRef"]["name"] = name
    binding["subjects"][0]["namespace"] = namespace.name
    namespace.rbac.create_namespaced_role(GATEWAY_PODS, role)
    namespace.rbac.create_namespaced_role_binding(GATEWAY_PODS, binding)
    try:
        wait_until(
            lambda: _may(namespace, GATEWAY_PODS, "list", "discovery.k8s.io", "endpointslices"),
            "the account may read the gateway's pods",
        )
        yield
    finally:
        namespace.rbac.delete_namespaced_role_binding(name, GATEWAY_PODS)
        namespace.rbac.delete_namespaced_role(name, GATEWAY_PODS)


def _may(namespace: Namespace, where: str, verb: str, group: str, resource: str) -> bool:
    asked = {"namespace": where, "verb": verb, "group": group, "resource": resource}
    spec = {"user": f"system:serviceaccount:{namespace.name}:{ACCOUNT}", "resourceAttributes": asked}
    review = client.AuthorizationV1Api(namespace.api).create_subject_access_review({"spec": spec})
    return bool(review.status.allowed)
