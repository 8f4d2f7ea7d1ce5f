"""The jobs around a model as pods of a real cluster: it is trained, evaluated, used for scoring, and monitored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.airflow import RUN
from tests.cluster.relay import relay
from tests.cluster.tasks import SMALL_EXECUTORS, at_work, executor_pods, staged, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation
    from tests.cluster.kubernetes import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

HISTORY, DAY = "2026-01-01..2026-01-20", "2026-01-20"


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Two executors for scoring, however few rows there are."""
    return SMALL_EXECUTORS


@pytest.fixture
def registry(cluster: Cluster, mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow at an address that pods reach; asked for after `installation`, whose address it replaces."""
    with relay(cluster.host, int(mlflow_url.rsplit(":", 1)[1])) as port:
        monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", f"http://{cluster.host}:{port}")
        yield


def process(installation: Installation, job: str) -> None:
    """Run one of the jobs that are no pods, as Airflow's worker does."""
    command = [sys.executable, "-m", f"jobs.{job}", "--pipeline=shop", f"--partition={DAY}", f"--run-id={RUN}"]
    code = {"PYTHONPATH": str(installation.project)}
    ran = subprocess.run(command, env={**os.environ, **code}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_model_is_trained_evaluated_scored_and_monitored_by_pods(installation: Installation, registry: None) -> None:
    for job, stage in (("land", ""), ("validate", "raw"), ("features", ""), ("validate", "features")):
        task(job, stage=stage, days=HISTORY, resources={"cpu": 1}).run()
    process(installation, "assemble")
    trained = task("train", days=DAY).run()
    assert trained["figures"]["version"] == "1"
    task("evaluate", days=DAY).run()
    process(installation, "promote")

    alone, spread = task("score", days=DAY), task("score", days=DAY, resources={"executors": 2})
    assert alone.run()["figures"]["version"] == "1"
    waiting = spread.begin()
    wait_until(lambda: len(executor_pods(installation)) == 2, "two executors are there", 300)
    spread.finish(waiting)
    assert staged(spread) == staged(alone)
    assert staged(alone)[DAY]
    task("validate", stage="predictions", days=DAY).run()
    assert installation.lake.published("predictions", DAY) is not None

    monitored = task("monitor", days=DAY).run()
    assert monitored["sentence"]
    wait_until(lambda: at_work(installation) == [], "all pods have ended", 60)
