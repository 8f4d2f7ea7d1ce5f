"""Tasks of the pipeline `shop` in small pods, and which of its pods are at work."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from plugins.operators.command import JobCommand
from plugins.operators.job_task import job_task
from plugins.operators.pod_operator import PodJobOperator
from tests.cluster.airflow import RUN, Task
from tidewheel.options.jobs import JOBS
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from kubernetes import client

    from tests.cluster.conftest import Installation

DAY = "2026-01-05"
EXECUTORS = "{cpu: 0.2, memory: 1Gi, executors: 2}"
SMALL_EXECUTORS = f"resources: {{features: {EXECUTORS}, score: {EXECUTORS}}}\nspark: {{executor_rows: 1}}\n"
"""Lines of a pipeline file: two executors, however few rows there are."""


def task(job: str, *, stage: str = "", days: str = DAY, resources: dict[str, Any] | None = None) -> Task:
    """A task of the pipeline, without executors but where `resources` says so; small pods for a small node."""
    command = JobCommand(JOBS[job], "shop", days, {"stage": stage} if stage else {})

    def make() -> PodJobOperator:
        settings = load_settings()
        pipeline = find_pipeline(settings.pipelines_folder, "shop")
        given = pipeline.resources_of(job).model_copy(update={"cpu": 0.5, "executors": 0, **(resources or {})})
        made = job_task(f"{job}{stage}", command, pipeline.model_copy(update={"resources": {job: given}}), settings)
        assert isinstance(made, PodJobOperator)
        made.log_events_on_failure = False
        return made

    return Task(make)


def process(installation: Installation, job: str, day: str) -> None:
    """Run one of the jobs that are no pods, as Airflow's worker does."""
    command = [sys.executable, "-m", f"jobs.{job}", "--pipeline=shop", f"--partition={day}", f"--run-id={RUN}"]
    code = {"PYTHONPATH": str(installation.project)}
    ran = subprocess.run(command, env={**os.environ, **code}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def at_work(installation: Installation) -> list[str]:
    """Pods whose job has not ended."""
    return [pod.metadata.name for pod in installation.namespace.pods() if pod.status.phase in ("Pending", "Running")]


def running(installation: Installation) -> bool:
    return any(pod.status.phase == "Running" for pod in installation.namespace.pods())


def executor_pods(installation: Installation) -> list[client.V1Pod]:
    """Pods of Spark's executors."""
    return [pod for pod in installation.namespace.pods() if (pod.metadata.labels or {}).get("spark-role") == "executor"]


def staged(made: Task) -> dict[str, str]:
    """Content hash of each batch that a task has staged, by partition."""
    assert made.operator is not None
    assert made.operator.outcome is not None
    assert made.operator.outcome.record is not None
    return {output.partition: output.content_hash for output in made.operator.outcome.record.outputs}
