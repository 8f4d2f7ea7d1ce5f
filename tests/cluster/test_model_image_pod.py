"""`tidewheel image build` for a cluster without a registry: the image is loaded into the node, and a pod answers."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.kubernetes.serving_pod import CONFINED, PORT
from tests import small_models
from tests.cluster.images import SERVING_IMAGE
from tests.cluster.kubernetes import Cluster, Namespace
from tests.conftest import wait_until
from tests.containers.engine import missing, run
from tests.containers.packaged import build_image, packaged_models

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LOAD = "TIDEWHEEL_TEST_LOAD"
"""The command that gives the node an image; the path of its archive is added to it."""
LOAD_SECONDS = 300.0
logger = logging.getLogger(__name__)


@pytest.fixture
def load() -> list[str]:
    """Words of that command."""
    reason = missing() if os.environ.get(LOAD) else f"{LOAD} names no command that gives the node an image"
    if reason:
        pytest.skip(reason)
    return shlex.split(os.environ[LOAD])


@pytest.fixture
def repository(load: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The repository of an installation's images."""
    with packaged_models(tmp_path, SERVING_IMAGE, monkeypatch) as repository:
        yield repository


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    with cluster.namespace() as namespace:
        yield namespace


def test_a_models_own_image_answers_in_a_pod_that_is_given_nothing_else(
    namespace: Namespace, repository: str, load: list[str], tmp_path: Path
) -> None:
    image, built, *_ = build_image(repository, "1")
    run("docker", "save", "--output", str(tmp_path / "image.tar"), image, seconds=LOAD_SECONDS)
    subprocess.run([*load, str(tmp_path / "image.tar")], check=True, timeout=LOAD_SECONDS)
    logger.info("%s: %s", image, built.strip())

    pod = model_pod(image)
    namespace.core.create_namespaced_pod(namespace.name, pod)
    wait_until(lambda: ready(namespace), "the pod is ready", 120)

    [found] = namespace.pods()
    assert found.spec.containers[0].image == image
    golden = small_models.train().contract.golden_rows
    rows = [dict(each.row) for each in golden]
    answer = httpx.post(f"http://{found.status.pod_ip}:{PORT}/predict", json={"rows": rows}, timeout=30)
    assert answer.raise_for_status().json()["model_version"] == "1"
    assert answer.json()["predictions"] == pytest.approx([each.prediction for each in golden], abs=1e-6)


def model_pod(image: str) -> dict[str, object]:
    """A pod of the image and nothing else."""
    container = {
        "name": "model",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT}, "periodSeconds": 1},
        "securityContext": dict(CONFINED),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "model"}, "spec": spec}


def ready(namespace: Namespace) -> bool:
    """Whether the one pod answers."""
    [pod] = namespace.pods()
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or [])
