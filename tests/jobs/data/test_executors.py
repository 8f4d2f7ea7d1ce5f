"""Spark's executors in pods: when a run uses them, what Spark is given, and what is said where none can start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import certifi
import pytest

from jobs.data import executors as module
from jobs.data.executor_process import command
from jobs.data.executors import Executors, executors
from jobs.data.pods_api import PodsApi
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import PlatformError
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.resources import Resources
from tidewheel.spec.spark import RESERVED

POD = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "executor"}]}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of a job in a pod that the operator has prepared."""
    name = "shop-with-a-name-that-is-rather-long-features-7h3k2m1q"
    return Settings(home=tmp_path, pod_name=name, pod_ip="10.1.2.3", executor_pod=POD, job_image="jobs:1")


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Up to three executors for the features of a million rows."""
    more = "resources: {features: {cpu: 2.5, memory: 4Gi, executors: 3}}\nspark: {executor_rows: 1000000}\n"
    (tmp_path / "orders.yaml").write_text(PIPELINE_FILE + more)
    return load_pipeline(tmp_path / "orders.yaml")


def test_a_large_run_of_a_prepared_pod_uses_executors_and_no_other_does(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    assert executors(pipeline, "features", settings, 1_000_000) is not None
    assert executors(pipeline, "features", settings, 999_999) is None
    assert executors(pipeline, "score", settings, 1_000_000) is None
    assert executors(pipeline, "features", Settings(home=tmp_path), 1_000_000) is None


def test_spark_is_given_the_pods_address_and_sizes_and_no_pipeline_may_change_them(
    settings: Settings, pipeline: Pipeline
) -> None:
    made = executors(pipeline, "features", settings, 1_000_000)
    assert made is not None
    conf = made.conf(Path("/tmp/pod.json"))
    assert set(conf) <= set(RESERVED)
    assert conf["spark.driver.host"] == conf["spark.driver.bindAddress"] == "10.1.2.3"
    assert conf["spark.kubernetes.driver.pod.name"] == settings.pod_name
    assert len(conf["spark.kubernetes.executor.podNamePrefix"]) <= 47
    assert conf["spark.kubernetes.executor.podNamePrefix"].endswith("features-7h3k2m1q")
    assert (conf["spark.executor.cores"], conf["spark.kubernetes.executor.request.cores"]) == ("2", "2.5")
    assert (conf["spark.executor.memory"], conf["spark.executor.memoryOverhead"]) == ("2048m", "2048m")
    assert conf["spark.dynamicAllocation.maxExecutors"] == "3"
    assert conf["spark.authenticate"] == conf["spark.network.crypto.enabled"] == "true"


def test_an_executor_is_java_with_what_the_driver_has_put_into_its_environment() -> None:
    environment = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.1.2.3:7078",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "2",
        "SPARK_EXECUTOR_MEMORY": "2048m",
        "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_EXECUTOR_POD_IP": "10.1.2.4",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "shop-exec-1",
        **{f"SPARK_JAVA_OPT_{number}": f"-D{number}" for number in (0, 10, 9)},
    }
    line = command(environment, "/usr/bin/java", Path("/spark/jars"))
    assert line[:8] == ["/usr/bin/java", "-D0", "-D9", "-D10", "-Xms2048m", "-Xmx2048m", "-cp", "/spark/jars/*"]
    assert line[line.index("--driver-url") + 1] == environment["SPARK_DRIVER_URL"]
    assert line[line.index("--podName") + 1] == "shop-exec-1"


class Api:
    """A server that gives one answer, in the place of Kubernetes' API."""

    def __init__(self) -> None:
        self.status, self.answer = 200, {}
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                body = json.dumps(api.answer).encode()
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    answer: dict[str, Any]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API, and an account to ask it by."""
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("token")
    (account / "ca.crt").write_text(Path(certifi.where()).read_text())
    started = Api()
    monkeypatch.setattr(module, "ACCOUNT", account)
    monkeypatch.setattr(module, "PodsApi", lambda folder, namespace: PodsApi(folder, namespace, started.url))
    yield started
    started.server.shutdown()
    started.server.server_close()


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        (
            'pods is forbidden: User "system:serviceaccount:ml:tidewheel-spark" cannot create resource "pods"',
            "bind the job's account to the Role of infra/kubernetes/spark.yaml",
        ),
        (
            'pods "x" is forbidden: exceeded quota: few',
            r"request less under resources\.features in dags/orders\.yaml",
        ),
    ],
)
def test_what_kubernetes_would_refuse_is_said_before_spark_starts(
    settings: Settings, api: Api, message: str, cure: str
) -> None:
    api.status, api.answer = 403, {"message": message}
    with pytest.raises(PlatformError, match=rf"no executor pod for job features in namespace tidewheel: .*{cure}"):
        Executors("features", "orders", Resources(executors=2), settings).write_template()
    api.status, api.answer = 201, {}
    template = Executors("features", "orders", Resources(executors=2), settings).write_template()
    assert json.loads(template.read_text()) == POD


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]},
            "pod e-2 is waiting: ImagePullBackOff no such image",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient cpu."}]},
            "pod e-2 has no node: Insufficient cpu",
        ),
        ({"phase": "Running"}, "pod e-2 is Running, and has not reached the driver"),
    ],
)
def test_why_no_executor_joins_is_read_from_the_newest_pod(api: Api, status: dict[str, Any], expected: str) -> None:
    old = {"metadata": {"name": "e-1", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    new = {"metadata": {"name": "e-2", "creationTimestamp": "2026-01-01T00:00:01Z"}, "status": status}
    api.answer = {"items": [new, old]}
    assert PodsApi(module.ACCOUNT, "ml", api.url).why_none_runs("a=b") == expected


def test_a_pod_without_a_token_says_so(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACCOUNT", tmp_path)
    with pytest.raises(PlatformError, match=r"token is not there.*automountServiceAccountToken"):
        Executors("features", "orders", Resources(executors=2), settings).write_template()
