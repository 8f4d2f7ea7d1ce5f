"""Nights of the demo's pipeline in the chart's Airflow: started, followed by their pods, and awaited."""

from __future__ import annotations

from uuid import uuid4

import httpx

from tests.cluster.chart import Installation
from tests.conftest import wait_until
from tidewheel.airflow_api import DagRun
from tidewheel.errors import PlatformError

DAG = "flight_delay.features"
IN_PODS = ["land", "validate_raw", "features", "validate_features"]
JOBS = "tidewheel/pipeline=flight_delay"


def start(installed: Installation, day: str) -> str:
    """Start the night of a day; returns the run's name."""
    name = f"night_{day}_{uuid4().hex[:6]}"
    with installed.airflow() as api:
        api.wait_for_dag(DAG, 300)
        api.unpause(DAG)
        api.trigger(DAG, name, partition_key=day)
    return name


def end(installed: Installation, name: str, seconds: float) -> DagRun:
    """Wait until a run has ended, also while Airflow itself is away for a moment."""
    found: list[DagRun] = []

    def ended() -> bool:
        try:
            with installed.airflow() as api:
                run = api.run(DAG, name)
        except (PlatformError, httpx.HTTPError):
            return False
        if run is not None and run.ended:
            found.append(run)
        return bool(found)

    wait_until(ended, f"the run {name} has ended", seconds)
    return found[0]


class PodLog:
    """Every pod of a job that was ever there, by the run's and the task's name."""

    def __init__(self, installed: Installation, run: str) -> None:
        self._installed, self._run = installed, run
        self.tasks: dict[str, str] = {}

    def look(self) -> list[str]:
        """Note the pods that are there; returns the tasks whose pod is at work."""
        running = []
        for pod in self._installed.pods(JOBS):
            labels = pod.metadata.labels
            if labels["run_id"].startswith(self._run):
                self.tasks[pod.metadata.name] = labels["task_id"]
                if pod.status.phase == "Running":
                    running.append(labels["task_id"])
        return running
