"""Whatever cluster KUBECONFIG names, with what jobs in its pods need: S3, a ledger, an account for Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests import airflow_home  # noqa: F401  before anything imports Airflow
from tests.cluster.kubernetes import Cluster, Namespace
from tests.cluster.relay import relay
from tests.cluster.shop import write_shop
from tidewheel.lake import Lake, Store
from tidewheel.ledger.migrate import migrate

IMAGE = os.environ.get("TIDEWHEEL_TEST_IMAGE", "localhost/tidewheel-jobs:test")
HOST = os.environ.get("TIDEWHEEL_TEST_HOST", "")


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster. Without one its tests are skipped, or fail where TIDEWHEEL_TEST_CLUSTER=required."""
    if not os.environ.get("KUBECONFIG"):
        missing = "KUBECONFIG names no cluster: docs/how-to/kubernetes.md says how to bring one up"
        if os.environ.get("TIDEWHEEL_TEST_CLUSTER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    return Cluster(HOST)


@pytest.fixture(scope="session")
def s3(cluster: Cluster) -> Iterator[dict[str, object]]:
    """Options of a server that speaks S3's protocol, at an address that pods reach."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(cluster.host, 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"}
    server.stop()


@pytest.fixture(scope="session")
def ledger_url(cluster: Cluster, postgres_url: Callable[[str], str]) -> Iterator[str]:
    """A ledger at an address that pods reach."""
    local = postgres_url("postgres")
    migrate(local)
    port = int(local.rsplit(":", 1)[1].split("/")[0])
    with relay(cluster.host, port) as reached:
        yield local.replace(f"127.0.0.1:{port}", f"{cluster.host}:{reached}")


class Installation:
    """A namespace for jobs, and Airflow's side of it: settings, a project with the pipeline `shop`, its lake."""

    def __init__(self, namespace: Namespace, project: Path, lake: Lake) -> None:
        self.namespace = namespace
        self.project = project
        self.lake = lake


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Further lines of the pipeline file; a test file says others."""
    return ""


@pytest.fixture
def installation(
    cluster: Cluster,
    more_of_the_pipeline: str,
    s3: dict[str, object],
    ledger_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Installation]:
    """A namespace of its own, in which Airflow may do what infra/kubernetes/jobs.yaml allows and nothing else."""
    bucket = f"lake-{uuid4().hex[:8]}"
    Store(f"s3://{bucket}", s3).fs.mkdir(bucket)
    write_shop(tmp_path / "project", more_of_the_pipeline)
    settings = {
        "TIDEWHEEL_HOME": str(tmp_path / "home"),
        "TIDEWHEEL_PROJECT": str(tmp_path / "project"),
        "TIDEWHEEL_JOB_RUNNER": "kubernetes",
        "TIDEWHEEL_JOB_IMAGE": IMAGE,
        "TIDEWHEEL_LAKE_URL": f"s3://{bucket}/root",
        "TIDEWHEEL_LAKE_OPTIONS": json.dumps(s3),
        "TIDEWHEEL_DATABASE_URL": ledger_url,
        "TIDEWHEEL_MLFLOW_URL": "http://mlflow.example",  # which none of these jobs asks
    }
    with cluster.namespace() as namespace:
        passwords = ("TIDEWHEEL_DATABASE_URL", "TIDEWHEEL_LAKE_OPTIONS")
        namespace.secret("tidewheel", {name: settings[name] for name in passwords})
        template = tmp_path / "pod.yaml"
        template.write_text(yaml.safe_dump(namespace.project(tmp_path / "project")))
        # By its connection: KUBECONFIG is the administrator's, and the operator's trigger refuses to be given both.
        monkeypatch.delenv("KUBECONFIG")
        airflow = {"kube_config_path": str(namespace.airflows_kubeconfig(tmp_path / "airflow.kubeconfig"))}
        settings |= {
            "TIDEWHEEL_JOB_NAMESPACE": namespace.name,
            "TIDEWHEEL_JOB_POD_TEMPLATE": str(template),
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": airflow}),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield Installation(namespace, tmp_path / "project", Lake.open("shop"))
