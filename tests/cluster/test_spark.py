"""Spark's executors as pods of a real cluster: the same bytes as without, and none that outlives its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowException

from tests.cluster.tasks import DAY, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from kubernetes import client

    from tests.cluster.airflow import Task
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SMALL = {"cpu": 0.2, "memory": "1Gi", "executors": 2}
DRIVER = {"cpu": 0.4, "memory": "2Gi"}


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Two executors, however few rows there are."""
    return f"resources: {{features: {SMALL}, score: {SMALL}}}\nspark: {{executor_rows: 1}}\n".replace("'", "")


def features(executors: int, **more: Any) -> Task:
    return task("features", resources={**DRIVER, "executors": executors}, **more)


def executor_pods(installation: Installation) -> list[client.V1Pod]:
    return [pod for pod in installation.namespace.pods() if (pod.metadata.labels or {}).get("spark-role") == "executor"]


def landed(installation: Installation) -> None:
    task("land").run()
    task("validate", stage="raw").run()


def staged(made: Task) -> dict[str, str]:
    """Content hash of each batch that a task has staged, by partition."""
    assert made.operator is not None
    assert made.operator.outcome is not None
    assert made.operator.outcome.record is not None
    return {output.partition: output.content_hash for output in made.operator.outcome.record.outputs}


def test_two_executors_compute_the_same_bytes_as_the_jobs_own_pod(installation: Installation) -> None:
    landed(installation)
    alone, spread = features(0), features(2)
    alone.run()
    assert executor_pods(installation) == []
    waiting = spread.begin()
    wait_until(lambda: len(executor_pods(installation)) == 2, "two executors are there", 300)
    [pod, _] = executor_pods(installation)
    assert pod.metadata.owner_references[0].name == spread.pushed.get("pod_name", pod.metadata.owner_references[0].name)
    assert pod.spec.automount_service_account_token is False
    spread.finish(waiting)
    assert staged(spread) == staged(alone)
    assert staged(alone)[DAY]
    wait_until(lambda: executor_pods(installation) == [], "the executors are gone", 60)


def test_an_account_without_the_role_is_named_before_spark_starts(installation: Installation) -> None:
    landed(installation)
    installation.namespace.take_sparks_permissions_away()
    account = f"system:serviceaccount:{installation.namespace.name}:tidewheel-spark"
    expected = rf'no executor pod for job features .*"{account}" cannot create .*infra/kubernetes/spark\.yaml'
    with pytest.raises(AirflowException, match=expected):
        features(2).run()
