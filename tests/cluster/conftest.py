"""Whatever cluster KUBECONFIG names, with what jobs in its pods need: S3, a ledger, an account for Airflow."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests import airflow_home  # noqa: F401  before anything imports Airflow
from tests.cluster import chart
from tests.cluster.images import JOBS_IMAGE
from tests.cluster.kubernetes import Cluster, Namespace
from tests.cluster.relay import relay
from tests.cluster.releases import ServingHouse, serving_house
from tests.cluster.shop import write_shop
from tests.infra.local.conftest import Place
from tests.mlflow_server import mlflow_url  # noqa: F401
from tidewheel.lake import Lake, Store
from tidewheel.ledger.migrate import migrate

HOST = os.environ.get("TIDEWHEEL_TEST_HOST", "")


@pytest.fixture(scope="session", autouse=True)
def _no_authorities() -> None:
    """Here programs reach for things beyond this machine."""


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster. Without one its tests are skipped, or fail where TIDEWHEEL_TEST_CLUSTER=required."""
    if not os.environ.get("KUBECONFIG"):
        missing = "KUBECONFIG names no cluster: docs/how-to/kubernetes.md says how to bring one up"
        if os.environ.get("TIDEWHEEL_TEST_CLUSTER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    return Cluster(HOST)


class S3:
    """A server that speaks S3's protocol; what it holds outlasts its being away."""

    def __init__(self, host: str) -> None:
        self._start(host, 0)

    @property
    def options(self) -> dict[str, object]:
        """How to reach it."""
        return {"endpoint_url": f"http://{self._host}:{self._port}", "key": "key", "secret": "secret"}

    @contextmanager
    def away(self) -> Iterator[None]:
        """Refuse connections meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self._start(self._host, self._port)

    def stop(self) -> None:
        """End the server."""
        self._server.stop()

    def _start(self, host: str, port: int) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(host, port, verbose=False)
        self._server.start()
        self._host, self._port = self._server.get_host_and_port()


@pytest.fixture(scope="session")
def s3_server(cluster: Cluster) -> Iterator[S3]:
    """An S3 server at an address that pods reach."""
    server = S3(cluster.host)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(s3_server: S3) -> dict[str, object]:
    """Options of that server."""
    return s3_server.options


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
        "TIDEWHEEL_JOB_IMAGE": JOBS_IMAGE,
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


@pytest.fixture
def registry(cluster: Cluster, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow at an address that pods reach; requested after `installation`, whose address it replaces."""
    url = request.getfixturevalue("mlflow_url")
    with relay(cluster.host, int(url.rsplit(":", 1)[1])) as port:
        monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", f"http://{cluster.host}:{port}")
        yield


@pytest.fixture(scope="session")
def house(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingHouse]:
    """What tests of releases share."""
    with serving_house(cluster, tmp_path_factory.mktemp("serving")) as house:
        yield house


@pytest.fixture
def as_releaser(house: ServingHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is the account that releases, and no administrator."""
    monkeypatch.setenv("KUBECONFIG", str(house.kubeconfig))


@pytest.fixture
def place(house: ServingHouse, database_url: str, as_releaser: None) -> Iterator[Place]:
    """A pipeline of a test's own, with one replica."""
    with house.place(database_url) as place:
        yield place


@pytest.fixture(scope="session")
def space(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[chart.Installation]:
    """A namespace in which the chart is not installed yet."""
    with chart.namespace(cluster, tmp_path_factory.mktemp("chart")) as made:
        yield made


@pytest.fixture(scope="session")
def installed(space: chart.Installation) -> chart.Installation:
    """The whole platform by the chart, ready; the tests of the chart share it."""
    began = time.monotonic()
    space.install()
    space.seconds_to_ready = time.monotonic() - began
    return space
