"""A night through Airflow on the cluster, by the chart's installation: every job in a pod, and processes killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest

from tests.cluster.chart import Installation
from tests.conftest import wait_until
from tidewheel.airflow_api import DagRun
from tidewheel.errors import PlatformError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

DAG = "flight_delay.features"
logger = logging.getLogger(__name__)
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


def follow(log: PodLog, until: Callable[[], bool], what: str, seconds: float) -> None:
    """Note pods until a condition holds."""

    def done() -> bool:
        log.look()
        return until()

    wait_until(done, what, seconds)


def test_a_night_runs_every_job_in_a_pod_of_its_own(installed: Installation) -> None:
    name = start(installed, "2013-01-01")
    began = time.monotonic()
    log = PodLog(installed, name)
    with installed.airflow() as api:
        follow(log, lambda: bool((run := api.run(DAG, name)) and run.ended), "the night has ended", 600)
        run = api.run(DAG, name)
        tasks = {task.task_id: (task.state, task.try_number) for task in api.tasks(DAG, name)}
    logger.info("the night took %.0f s; its pods: %s", time.monotonic() - began, log.tasks)

    assert run is not None
    assert run.state == "success", tasks
    assert set(tasks.values()) == {("success", 1)}, tasks
    assert sorted(log.tasks.values()) == sorted(IN_PODS)


def test_a_triggerer_killed_in_the_middle_of_a_wait_and_a_killed_scheduler_start_no_second_pod(
    installed: Installation,
) -> None:
    name = start(installed, "2013-01-02")
    log = PodLog(installed, name)
    wait_until(lambda: "land" in log.look(), "land's pod is at work", 180)
    installed.kill("airflow-triggerer")
    wait_until(lambda: log.look() != [] or len(log.tasks) > 1, "a pod is at work", 180)
    installed.kill("airflow-scheduler")
    with installed.airflow() as api:
        follow(log, lambda: bool((run := api.run(DAG, name)) and run.ended), "the night has ended", 600)
        tasks = {task.task_id: (task.state, task.try_number) for task in api.tasks(DAG, name)}

    assert end(installed, name, 60).state == "success", tasks
    logger.info("after two kills: %s; pods: %s", tasks, log.tasks)
    assert sorted(log.tasks.values()) == sorted(IN_PODS)


def test_postgresql_restarted_while_a_job_works_costs_no_run(installed: Installation) -> None:
    name = start(installed, "2013-01-03")
    log = PodLog(installed, name)
    wait_until(lambda: log.look() != [], "a pod is at work", 180)
    installed.kill("postgresql")

    assert end(installed, name, 900).state == "success"
