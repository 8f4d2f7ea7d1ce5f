"""What `helm test` runs, on a real ledger and a real S3 server, against a server that answers as MLflow does."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

from infra.helm.installed import main
from tests.free_ports import free_port
from tidewheel.lake import Store

LOGIN = f"Basic {b64encode(b'admin:secret').decode()}"


class Mlflow(ThreadingHTTPServer):
    """Answers with 200 to the login, and as `without_login` says to those who show none; it has metrics too."""

    without_login = 401
    metrics = "tidewheel_ledger_up 1.0\n"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    """One request to it."""

    server: Mlflow

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.metrics.encode())
            return
        shown = self.headers.get("Authorization")
        self.send_response(self.server.without_login if shown is None else 200 if shown == LOGIN else 403)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def mlflow() -> Iterator[Mlflow]:
    with Mlflow(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def environment(
    database_url: str,
    s3_options: dict[str, object],
    mlflow: Mlflow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> pytest.MonkeyPatch:
    """The environment of the pod: without Airflow's password, so Airflow is not asked."""
    bucket = f"helm-{uuid4().hex[:8]}"
    Store(f"s3://{bucket}", s3_options).fs.mkdir(bucket)
    for name, value in {
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url,
        "LAKE_URL": f"s3://{bucket}/lake",
        "LAKE_OPTIONS": json.dumps(s3_options),
        "MLFLOW_URL": mlflow.url,
        "MLFLOW_USERNAME": "admin",
        "MLFLOW_PASSWORD": "secret",
    }.items():
        monkeypatch.setenv(f"TIDEWHEEL_{name}", value)
    monkeypatch.delenv("TIDEWHEEL_AIRFLOW_PASSWORD", raising=False)
    caplog.set_level(logging.INFO, "tidewheel.installed")
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_each_claim_that_holds_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--own-mlflow"]) == 0
    assert [record.getMessage() for record in caplog.records if record.name == "tidewheel.installed"] == [
        "ok: ledger answers",
        "ok: lake takes objects",
        "ok: mlflow answers",
        "ok: mlflow asks for a login",
    ]


@pytest.mark.usefixtures("environment")
def test_only_the_charts_own_mlflow_must_refuse_who_shows_no_login(
    mlflow: Mlflow, caplog: pytest.LogCaptureFixture
) -> None:
    mlflow.without_login = 200
    assert main([]) == 0
    assert main(["--own-mlflow"]) == 1
    assert caplog.messages[-1] == (
        f"failed: mlflow asks for a login: MLflow at {mlflow.url} answered 200 without a login, expected 401"
    )


@pytest.mark.usefixtures("environment")
def test_the_exporter_must_reach_the_ledger(mlflow: Mlflow, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--exporter", mlflow.url]) == 0
    assert caplog.messages[-1] == "ok: exporter reads the ledger"
    mlflow.metrics = "tidewheel_ledger_up 0.0\n"
    assert main(["--exporter", mlflow.url]) == 1
    assert "have no line `tidewheel_ledger_up 1.0`" in caplog.messages[-1]


def test_an_mlflow_that_is_there_may_need_no_login(environment: pytest.MonkeyPatch, mlflow: Mlflow) -> None:
    mlflow.without_login = 200
    environment.setenv("TIDEWHEEL_MLFLOW_USERNAME", "")
    environment.delenv("TIDEWHEEL_MLFLOW_PASSWORD")
    assert main([]) == 0


def test_a_store_that_does_not_answer_is_one_sentence(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = {"endpoint_url": f"http://127.0.0.1:{free_port()}", "key": "key", "secret": "secret"}
    once = {"config_kwargs": {"retries": {"max_attempts": 1}}}
    environment.setenv("TIDEWHEEL_LAKE_OPTIONS", json.dumps(away | once))

    assert main([]) == 1
    assert caplog.messages[-1].startswith("failed: lake takes objects: the lake's store does not answer: Could not")
