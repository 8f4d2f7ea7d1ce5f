"""A cluster as its administrator sees it: namespaces, Secrets, quotas, pods and the account that Airflow uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import yaml
from kubernetes import client, config, utils

from tests.cluster.images import JOBS_IMAGE
from tests.cluster.shop import CODE
from tests.conftest import wait_until

ROOT = Path(__file__).parents[2]
PERMISSIONS = [ROOT / "infra" / "kubernetes" / name for name in ("jobs.yaml", "spark.yaml")]
ACCOUNT, ROLE = "tidewheel-airflow", "tidewheel-job-launcher"
PROJECT = "/project"
GPU = "nvidia.com/gpu"
INSTALLED = "/opt/tidewheel"
ROOMS = ("bentos", "infra", "jobs", "plugins", "tidewheel")
CHECKOUT = os.environ.get("TIDEWHEEL_TEST_CODE", "")


class Cluster:
    """A running cluster.

    Args:
        host: address of this machine that pods reach; default: the one that this machine's way to the API begins at.
    """

    def __init__(self, host: str) -> None:
        # Settings of its own: what a test loads for another account becomes the default of all clients.
        self.api = config.new_client_from_config()
        self.core, self.scheduling = client.CoreV1Api(self.api), client.SchedulingV1Api(self.api)
        self.host = host or self._address_towards(self.api.configuration.host)

    @contextmanager
    def namespace(self) -> Iterator[Namespace]:
        """A namespace with Airflow's account in it; it vanishes with all that is in it."""
        name = f"tidewheel-{uuid4().hex[:8]}"
        self.core.create_namespace({"metadata": {"name": name}})
        try:
            for file in PERMISSIONS:
                utils.create_from_yaml(self.api, str(file), namespace=name)
            made = Namespace(self.api, name)
            wait_until(made.airflow_may_start_pods, "Airflow's account may start pods")
            yield made
        finally:
            self.core.delete_namespace(name)

    @contextmanager
    def advertised_gpus(self, number: int) -> Iterator[None]:
        """Have a node without GPUs say that it has some; the kubelet takes that back when it starts again."""
        nodes = self.core.list_node().items
        if not any(int(node.status.allocatable.get(GPU, 0)) for node in nodes):
            name = nodes[0].metadata.name
            path = "/status/capacity/nvidia.com~1gpu"
            self.core.patch_node_status(name, [{"op": "add", "path": path, "value": str(number)}])
            wait_until(lambda: int(self.core.read_node(name).status.allocatable.get(GPU, 0)) > 0, "the node has GPUs")
            yield
            self.core.patch_node_status(name, [{"op": "remove", "path": path}])
        else:
            yield

    def _address_towards(self, url: str) -> str:
        api = urlsplit(url)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((api.hostname, api.port or 443))
            return str(probe.getsockname()[0])


class Namespace:
    """A namespace of a test's own."""

    def __init__(self, api: client.ApiClient, name: str) -> None:
        self.api, self.name = api, name
        self.core, self.rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)

    def secret(self, name: str, values: dict[str, str]) -> None:
        """Make a Secret."""
        self.core.create_namespaced_secret(self.name, {"metadata": {"name": name}, "stringData": values})

    def forget_secret(self, name: str) -> None:
        """Take a Secret away."""
        self.core.delete_namespaced_secret(name, self.name)

    def quota(self, name: str, **hard: str) -> None:
        """Limit what all pods together may ask for, such as `pods="0"`."""
        self.core.create_namespaced_resource_quota(self.name, {"metadata": {"name": name}, "spec": {"hard": hard}})
        wait_until(
            lambda: bool(self.core.read_namespaced_resource_quota(name, self.name).status.hard), "the quota counts"
        )

    def forget_quota(self, name: str) -> None:
        """Take a quota away."""
        self.core.delete_namespaced_resource_quota(name, self.name)

    def take_permissions_away(self) -> None:
        """Unbind Airflow's account from its Role."""
        self.rbac.delete_namespaced_role_binding(ROLE, self.name)
        wait_until(lambda: not self.airflow_may_start_pods(), "Airflow's account may not start pods any more")

    def take_sparks_permissions_away(self) -> None:
        """Unbind the account of jobs with executors from its Role."""
        self.rbac.delete_namespaced_role_binding("tidewheel-spark-driver", self.name)

    def airflow_may_start_pods(self) -> bool:
        """Whether the API server lets Airflow's account do so; it hears of a binding a moment after it was made."""
        asked = {"namespace": self.name, "verb": "create", "resource": "pods"}
        spec = {"user": f"system:serviceaccount:{self.name}:{ACCOUNT}", "resourceAttributes": asked}
        review = client.AuthorizationV1Api(self.api).create_subject_access_review({"spec": spec})
        return bool(review.status.allowed)

    def pods(self) -> list[client.V1Pod]:
        """All pods, oldest first."""
        pods = self.core.list_namespaced_pod(self.name).items
        return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp)

    def log(self, name: str) -> str:
        """What a pod has logged so far."""
        found: str = self.core.read_namespaced_pod_log(name, self.name)
        return found

    def delete_pod(self, name: str, grace_seconds: int | None = None) -> None:
        """Delete a pod as `kubectl delete pod --grace-period=…` does; None: with the pod's own grace period."""
        self.core.delete_namespaced_pod(name, self.name, grace_period_seconds=grace_seconds)

    def admit(self, name: str) -> None:
        """Take a pod's scheduling gates away, as a queue does that admits it."""
        self.core.patch_namespaced_pod(name, self.name, {"spec": {"schedulingGates": None}})

    def evict(self, name: str, grace_seconds: int | None = None) -> None:
        """Evict a pod as `kubectl drain --grace-period=…` does; None: with the pod's own grace period."""
        body = {"metadata": {"name": name}, "deleteOptions": {"gracePeriodSeconds": grace_seconds}}
        self.core.create_namespaced_pod_eviction(name, self.name, body)

    def start_idle_pod(self, name: str, priority_class: str, host_port: int) -> None:
        """Start a pod that does nothing but take a port of its node."""
        ports = [{"containerPort": host_port, "hostPort": host_port}]
        idle = {"name": "idle", "image": JOBS_IMAGE, "command": ["sleep", "3600"], "ports": ports}
        spec = {"priorityClassName": priority_class, "terminationGracePeriodSeconds": 0, "containers": [idle]}
        self.core.create_namespaced_pod(self.name, {"metadata": {"name": name}, "spec": spec})

    def project(self, folder: Path) -> dict[str, Any]:
        """Make a ConfigMap of a project, and return the pod template that mounts it where jobs find it."""
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".py", ".yaml", ".json")]
        names = {path: "-".join(path.relative_to(folder).parts) for path in files}
        self.core.create_namespaced_config_map(
            self.name,
            {"metadata": {"name": "project"}, "data": {names[path]: path.read_text() for path in files}},
        )
        items = [{"key": names[path], "path": str(path.relative_to(folder))} for path in files]
        environment = {"TIDEWHEEL_PROJECT": PROJECT, "PYTHONPATH": PROJECT, "TIDEWHEEL_CODE_VERSION": CODE}
        rooms = ROOMS if CHECKOUT else ()
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {
                "automountServiceAccountToken": False,
                "containers": [
                    {
                        "name": "job",
                        "imagePullPolicy": "IfNotPresent",
                        "env": [{"name": name, "value": value} for name, value in environment.items()],
                        "volumeMounts": [
                            {"name": "project", "mountPath": PROJECT},
                            *({"name": room, "mountPath": f"{INSTALLED}/{room}"} for room in rooms),
                        ],
                    }
                ],
                "volumes": [
                    {"name": "project", "configMap": {"name": "project", "items": items}},
                    *({"name": room, "hostPath": {"path": f"{CHECKOUT}/{room}"}} for room in rooms),
                ],
            },
        }

    def change_project(self, files: dict[str, str]) -> None:
        """Give files of the project other content, by their names in its ConfigMap; pods that start later have it."""
        self.core.patch_namespaced_config_map("project", self.name, {"data": files})

    def airflows_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig of Airflow's account."""
        request = {"spec": {"expirationSeconds": 3600}}
        token = self.core.create_namespaced_service_account_token(ACCOUNT, self.name, request).status.token
        server = self.api.configuration
        cluster = {"server": server.host, "certificate-authority": server.ssl_ca_cert}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "airflow", "user": {"token": token}}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "airflow"}}],
            "current-context": "context",
        }
        path.write_text(yaml.safe_dump(content))
        return path
