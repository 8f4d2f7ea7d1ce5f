"""Spark's executors as pods of a real cluster: the same bytes as without, and none that outlives its job."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowException

from tests.cluster.tasks import DAY, SMALL_EXECUTORS, at_work, executor_pods, staged, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tests.cluster.airflow import Task
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

logger = logging.getLogger(__name__)

MONTH = "2026-01-01..2026-01-31"
DRIVER = {"cpu": 0.4, "memory": "2Gi"}


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Two executors, however few rows there are."""
    return SMALL_EXECUTORS


def features(executors: int, **more: Any) -> Task:
    return task("features", resources={**DRIVER, "executors": executors}, **more)


def landed(installation: Installation, days: str = DAY) -> None:
    task("land", days=days).run()
    task("validate", stage="raw", days=days).run()


def files(installation: Installation) -> list[str]:
    return installation.lake.store.find("shop/features/_data", ".parquet")


def test_two_executors_compute_the_same_bytes_as_the_jobs_own_pod(installation: Installation) -> None:
    landed(installation)
    alone, spread = features(0), features(2)
    began = time.monotonic()
    alone.run()
    seconds = time.monotonic() - began
    assert executor_pods(installation) == []
    began = time.monotonic()
    waiting = spread.begin()
    wait_until(lambda: len(executor_pods(installation)) == 2, "two executors are there", 300)
    [pod, _] = executor_pods(installation)
    drivers = {pod.metadata.name for pod in installation.namespace.pods()}
    assert pod.metadata.owner_references[0].name in drivers - {one.metadata.name for one in executor_pods(installation)}
    assert pod.spec.automount_service_account_token is False
    spread.finish(waiting)
    logger.info("alone %.0f s, with two executors %.0f s", seconds, time.monotonic() - began)
    assert staged(spread) == staged(alone)
    assert staged(alone)[DAY]
    wait_until(lambda: executor_pods(installation) == [], "the executors are gone", 60)


def test_an_executor_that_is_deleted_half_way_changes_no_byte_and_none_outlives_its_driver(
    installation: Installation,
) -> None:
    landed(installation, MONTH)
    alone = features(0, days=MONTH)
    alone.run()
    before = files(installation)

    spread = features(2, days=MONTH)
    waiting = spread.begin()
    wait_until(lambda: len(files(installation)) > len(before), "a file is written", 300)
    installation.namespace.delete_pod(executor_pods(installation)[0].metadata.name)
    spread.finish(waiting)
    assert staged(spread) == staged(alone)

    lost = features(2, days=MONTH)
    waiting = lost.begin()
    wait_until(lambda: len(executor_pods(installation)) == 2, "two executors are there", 300)
    executors = [pod.metadata.name for pod in executor_pods(installation)]
    [driver] = [name for name in at_work(installation) if name not in executors]
    installation.namespace.delete_pod(driver)
    with pytest.raises(AirflowException, match="was deleted before the job had ended"):
        lost.finish(waiting)
    wait_until(lambda: executor_pods(installation) == [], "the executors are gone", 120)


def test_what_keeps_executors_from_starting_is_named_before_spark_starts(installation: Installation) -> None:
    landed(installation)
    installation.namespace.quota("one", pods="1")
    with pytest.raises(
        AirflowException, match=r"no executor pod for job features .*exceeded quota: one, .*request less"
    ):
        features(2).run()
    installation.namespace.take_sparks_permissions_away()
    account = f"system:serviceaccount:{installation.namespace.name}:tidewheel-spark"
    expected = rf'no executor pod for job features .*"{account}" cannot create .*infra/kubernetes/spark\.yaml'
    with pytest.raises(AirflowException, match=expected):
        features(2).run()
