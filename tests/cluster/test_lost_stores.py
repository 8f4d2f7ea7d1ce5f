"""S3 away in the middle of every kind of job: each says so, and its retry gives the result that it owes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.cluster.airflow import Task
from tests.cluster.tasks import at_work, process, running, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tests.cluster.conftest import S3, Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

HISTORY, DAY = "2026-01-01..2026-01-20", "2026-01-20"


def interrupted(job: Task, installation: Installation, s3: S3) -> Any:
    """Run a job whose store goes away when its pod runs, and then its retry; returns what the retry gives."""
    wait_until(lambda: at_work(installation) == [], "the pod before has ended", 60)
    waiting = job.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    with s3.away(), pytest.raises(AirflowException, match="the lake's store does not answer: ") as lost:
        job.finish(waiting)
    assert not isinstance(lost.value, AirflowFailException), "it is tried again"
    return job.run()


def test_every_kind_of_job_outlasts_a_store_that_is_away(
    installation: Installation, registry: None, s3_server: S3
) -> None:
    landed = interrupted(task("land", days=HISTORY), installation, s3_server)
    assert landed["figures"]["rows"] > 0
    judged = interrupted(task("validate", stage="raw", days=HISTORY), installation, s3_server)
    assert judged["figures"]["refused"] == 0
    interrupted(task("features", days=HISTORY, resources={"cpu": 1}), installation, s3_server)
    interrupted(task("validate", stage="features", days=HISTORY), installation, s3_server)
    assert installation.lake.published("features", DAY) is not None

    process(installation, "assemble", DAY)
    trained = interrupted(task("train", days=DAY), installation, s3_server)
    assert trained["figures"]["version"] == "1", "no version came of the lost try"
    interrupted(task("evaluate", days=DAY), installation, s3_server)
    process(installation, "promote", DAY)

    scored = interrupted(task("score", days=DAY), installation, s3_server)
    assert scored["figures"]["version"] == "1"
    interrupted(task("validate", stage="predictions", days=DAY), installation, s3_server)
    assert installation.lake.published("predictions", DAY) is not None
    assert interrupted(task("monitor", days=DAY), installation, s3_server)["sentence"]
