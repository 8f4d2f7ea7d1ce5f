"""A night through Airflow on the cluster, by the chart's installation: every job in a pod, and processes killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from tests.cluster.chart import Installation
from tests.cluster.nights import DAG, IN_PODS, PodLog, end, start
from tests.conftest import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

logger = logging.getLogger(__name__)


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
