"""Tasks of the pipeline `shop` in small pods, and which of its pods are at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.operators.command import JobCommand
from plugins.operators.job_task import job_task
from plugins.operators.pod_operator import PodJobOperator
from tests.cluster.airflow import Task
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation

DAY = "2026-01-05"


def task(job: str, *, stage: str = "", days: str = DAY, resources: dict[str, Any] | None = None) -> Task:
    """A task of the pipeline; small pods, since a test's node is small."""
    command = JobCommand(job, "shop", days, {"stage": stage} if stage else {}, record=f"{job}-{stage}" if stage else "")

    def make() -> PodJobOperator:
        settings = load_settings()
        pipeline = find_pipeline(settings.pipelines_folder, "shop")
        given = pipeline.resources_of(job).model_copy(update={"cpu": 0.5, **(resources or {})})
        made = job_task(f"{job}{stage}", command, pipeline.model_copy(update={"resources": {job: given}}), settings)
        assert isinstance(made, PodJobOperator)
        made.log_events_on_failure = False
        return made

    return Task(make)


def at_work(installation: Installation) -> list[str]:
    """Pods whose job has not ended."""
    return [pod.metadata.name for pod in installation.namespace.pods() if pod.status.phase in ("Pending", "Running")]


def running(installation: Installation) -> bool:
    return any(pod.status.phase == "Running" for pod in installation.namespace.pods())
