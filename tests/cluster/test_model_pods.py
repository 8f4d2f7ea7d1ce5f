"""The jobs around a model as pods of a real cluster: it is trained, evaluated, used for scoring, and monitored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.tasks import SMALL_EXECUTORS, at_work, executor_pods, process, staged, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

HISTORY, DAY = "2026-01-01..2026-01-20", "2026-01-20"


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Two executors for scoring, however few rows there are."""
    return SMALL_EXECUTORS


def test_a_model_is_trained_evaluated_scored_and_monitored_by_pods(installation: Installation, registry: None) -> None:
    for job, stage in (("land", ""), ("validate", "raw"), ("features", ""), ("validate", "features")):
        task(job, stage=stage, days=HISTORY, resources={"cpu": 1}).run()
    process(installation, "assemble", DAY)
    trained = task("train", days=DAY).run()
    assert trained["figures"]["version"] == "1"
    task("evaluate", days=DAY).run()
    process(installation, "promote", DAY)

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
