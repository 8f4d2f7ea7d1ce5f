"""The chart on a real cluster: Helm, a namespace with volumes, and the values that a small node needs."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from infra.kubernetes.pod import CONTAINER
from tests.cluster.images import ALL_IN_ONE, JOBS_IMAGE, PLATFORM_IMAGE, POSTGRES_IMAGE, S3_IMAGE, SERVING_IMAGE
from tests.cluster.kubernetes import CHECKOUT, ROOMS, ROOT, Cluster
from tests.cluster.releases import GATEWAY_NAME, GATEWAY_PODS, RESOURCES, gateway_url
from tests.conftest import wait_until
from tidewheel.airflow_api import AirflowApi

CHART = ROOT / "infra" / "helm" / "tidewheel"
RELEASE = "tidewheel"
SECRETS = ("tidewheel", "tidewheel-platform")
PIPELINE_FILE = ROOT / "dags" / "flight_delay.yaml"
SERVICES = ("postgresql", "s3", "mlflow", "exporter", "alerts")
"""The platform's components beside Airflow's."""
CLAIMS = (
    "data-tidewheel-postgresql-0",
    "data-tidewheel-s3-0",
    "state-tidewheel-mlflow-0",
    "state-tidewheel-airflow-scheduler-0",
)
SMALL = {
    "land": {"cpu": 0.5, "memory": "1Gi"},
    "validate": {"cpu": 0.5, "memory": "1Gi"},
    "features": {"cpu": 0.6, "memory": "2Gi"},
    "score": {"cpu": 0.5, "memory": "2Gi"},
}
SMALL_SERVING = {
    "serving": {"resources": RESOURCES, "latency_budget_ms": 5000},
    "release": {"bake_seconds": 5, "memory_budget_mb": 2000},
}


class HelmError(AssertionError):
    """Helm ended with an error; the message is what it said."""


def helm(*arguments: str, seconds: float = 960) -> str:
    """Run Helm, and return what it printed.

    Raises:
        HelmError: it failed.
    """
    run = subprocess.run(
        ["helm", *arguments],
        capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    if run.returncode:
        raise HelmError(run.stderr)
    return run.stdout


def manifests(text: str) -> list[dict[str, Any]]:
    """The objects of a rendered chart."""
    return [item for item in yaml.safe_load_all(text) if item]


class Installation:
    """A release of the chart in a namespace of its own.

    Attributes:
        seconds_to_ready: how long the first installation took until all was ready.
    """

    seconds_to_ready = 0.0

    def __init__(self, core: client.CoreV1Api, namespace: str, values: Path) -> None:
        self.core, self.namespace, self.values = core, namespace, values

    def helm(self, command: str, *arguments: str) -> str:
        """Run a Helm command on this release."""
        return helm(command, RELEASE, *arguments, "--namespace", self.namespace)

    def install(self, command: str = "install", *arguments: str) -> str:
        """Install or upgrade, and wait until all is ready."""
        return self.helm(command, str(CHART), "--values", str(self.values), "--wait", "--timeout", "15m", *arguments)

    def secret(self, name: str) -> dict[str, str]:
        """Content of a Secret."""
        data = self.core.read_namespaced_secret(name, self.namespace).data
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def address(self, service: str) -> str:
        """URL of a Service at its cluster address, which this machine reaches."""
        spec = self.core.read_namespaced_service(service, self.namespace).spec
        return f"http://{spec.cluster_ip}:{spec.ports[0].port}"

    def pods(self, selector: str = "") -> list[client.V1Pod]:
        """Pods, oldest first."""
        pods = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return sorted(pods, key=lambda pod: pod.metadata.creation_timestamp)

    def component(self, name: str) -> client.V1Pod:
        """The pod of one of the platform's components."""
        [pod] = self.pods(f"app.kubernetes.io/component={name}")
        return pod

    def airflow(self) -> AirflowApi:
        """Airflow, as its user admin."""
        password = self.secret("tidewheel-platform")["TIDEWHEEL_AIRFLOW_PASSWORD"]
        return AirflowApi(self.address("tidewheel-airflow"), "admin", password)

    def ready(self, component: str) -> bool:
        """Whether the one pod of a component is ready."""
        pods = self.pods(f"app.kubernetes.io/component={component}")
        conditions = [c for pod in pods for c in pod.status.conditions or [] if c.type == "Ready"]
        return len(pods) == 1 and all(c.status == "True" for c in conditions) and bool(conditions)

    def kill(self, component: str) -> None:
        """End a component's pod at once, as when its node is lost, and wait until its successor is ready."""
        pod = self.component(component)
        self.core.delete_namespaced_pod(pod.metadata.name, self.namespace, grace_period_seconds=0)

        def replaced() -> bool:
            found = self.pods(f"app.kubernetes.io/component={component}")
            return [p.metadata.uid for p in found] != [pod.metadata.uid] and self.ready(component)

        wait_until(replaced, f"{component} is ready again", 240)


@contextmanager
def namespace(cluster: Cluster, folder: Path) -> Iterator[Installation]:
    """A namespace with what the chart's values name there: volumes, and the pipeline file with small resources."""
    core = cluster.core
    name = f"tidewheel-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    volumes = _volumes(cluster, name)
    try:
        pipeline = PIPELINE_FILE.read_text(encoding="utf-8") + yaml.safe_dump({"resources": SMALL, **SMALL_SERVING})
        core.create_namespaced_config_map(
            name, {"metadata": {"name": "pipeline"}, "data": {PIPELINE_FILE.name: pipeline}}
        )
        values = folder / "values.yaml"
        values.write_text(yaml.safe_dump(small_values(cluster, name if volumes else "")), encoding="utf-8")
        yield Installation(core, name, values)
    finally:
        # Not all is in the namespace: a Role is where the gateway's pods are.
        helm("uninstall", RELEASE, "--namespace", name, "--ignore-not-found")
        core.delete_namespace(name)
        wait_until(lambda: name not in {n.metadata.name for n in core.list_namespace().items}, "namespace is gone", 180)
        for volume in volumes:
            core.delete_persistent_volume(volume.name)
            shutil.rmtree(volume)


def small_values(cluster: Cluster, storage_class: str) -> dict[str, Any]:
    """Values for a node with two cores: little CPU is reserved."""
    repository, _, tag = PLATFORM_IMAGE.rpartition(":")
    mounts = [
        {"name": "pipeline", "mountPath": f"/opt/tidewheel/dags/{PIPELINE_FILE.name}", "subPath": PIPELINE_FILE.name}
    ]
    volumes: list[dict[str, Any]] = [{"name": "pipeline", "configMap": {"name": "pipeline"}}]
    if CHECKOUT:
        mounts += [{"name": f"code-{room}", "mountPath": f"/opt/tidewheel/{room}"} for room in ROOMS]
        volumes += [{"name": f"code-{room}", "hostPath": {"path": f"{CHECKOUT}/{room}"}} for room in ROOMS]
    idle: dict[str, Any] = {"resources": {"requests": {"cpu": "50m", "memory": "64Mi"}}}
    stored = {**idle, "storageClassName": storage_class}
    template = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["jobs"]["podTemplate"]["spec"]
    if JOBS_IMAGE == ALL_IN_ONE:
        # An image that knows no user 10001 lets Java find no user's name; every Debian knows this one.
        template["securityContext"] |= {"runAsUser": 65534, "runAsGroup": 65534}
    template["volumes"] += volumes
    [job] = template["containers"]
    job |= {"imagePullPolicy": "IfNotPresent", "volumeMounts": job["volumeMounts"] + mounts}
    job["env"].append({"name": "HOME", "value": "/tmp"})
    return {
        "image": {"repository": repository, "tag": tag},
        "postgresql": {"image": POSTGRES_IMAGE, **stored},
        "s3": {"image": S3_IMAGE, **stored},
        "mlflow": stored,
        "airflow": {"apiServer": idle, "scheduler": stored, "dagProcessor": idle, "triggerer": idle},
        "prepare": idle,
        "serving": _serving(cluster, mounts, volumes),
        "gateway": {"podsNamespace": GATEWAY_PODS},
        "metrics": idle,
        "jobs": {"image": JOBS_IMAGE, "podTemplate": {"spec": template}},
        # infra/images/Dockerfile says so to its images.
        "env": [{"name": "PYTHONPATH", "value": "/opt/tidewheel"}],
        "extraVolumes": volumes,
        "extraVolumeMounts": mounts,
    }


def _serving(cluster: Cluster, mounts: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """Values for releases, where the cluster has a Gateway for them."""
    try:
        url = gateway_url(cluster.api)
    except ApiException:
        return {"enabled": False}
    code = [mount for mount in mounts if mount["name"].startswith("code-")]
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [{"name": CONTAINER}],
            "initContainers": [{"name": name, "volumeMounts": code} for name in ("fetch-model", "ship-requests")],
            "volumes": [volume for volume in volumes if volume["name"].startswith("code-")],
        },
    }
    return {"enabled": True, "url": url, "image": SERVING_IMAGE, "gateway": GATEWAY_NAME, "podTemplate": template}


def _volumes(cluster: Cluster, name: str) -> list[Path]:
    """Folders of this machine as volumes, where the cluster brings no storage; then this machine is its node."""
    classes = client.StorageV1Api(cluster.api).list_storage_class().items
    default = "storageclass.kubernetes.io/is-default-class"
    if any((found.metadata.annotations or {}).get(default) == "true" for found in classes):
        return []
    folders = [Path("/var/tmp") / f"{name}-{index}" for index in range(len(CLAIMS))]
    term = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
    for folder in folders:
        folder.mkdir()
        cluster.core.create_persistent_volume(
            {
                "metadata": {"name": folder.name},
                "spec": {
                    "capacity": {"storage": "50Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": name,
                    "local": {"path": str(folder)},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                },
            }
        )
    return folders


def rendered(values: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What the chart makes of values, without a cluster."""
    path = folder / "rendered-values.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return manifests(helm("template", RELEASE, str(CHART), "--values", str(path), "--namespace", "elsewhere"))
