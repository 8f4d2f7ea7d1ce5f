"""A long fit whose pod is lost: the retry goes on where the lake says that it had come to, and gives the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from jobs.training.boosting import PIECE, SUFFIX, checkpoint_folder
from tests.cluster.airflow import RUN
from tests.cluster.tasks import at_work, process, running, task
from tests.conftest import wait_until

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

HISTORY, DAY = "2026-01-01..2026-01-20", "2026-01-20"
PIECES = 24
"""Long enough to be seen at work; each is stored."""


@pytest.fixture
def more_of_the_pipeline() -> str:
    """A model of many rounds."""
    return f"training: {{estimator: xgboost, parameters: {{n_estimators: {PIECES * PIECE}, max_depth: 4}}}}\n"


def stored(installation: Installation) -> list[str]:
    """Checkpoints of the run."""
    found = installation.lake.store.list_folder(checkpoint_folder(installation.lake, RUN))
    return [name for name in found if name.endswith(SUFFIX)]


def test_a_training_whose_pod_is_deleted_goes_on_from_its_checkpoint(
    installation: Installation, registry: None
) -> None:
    for job, stage in (("land", ""), ("validate", "raw"), ("features", ""), ("validate", "features")):
        task(job, stage=stage, days=HISTORY, resources={"cpu": 1}).run()
    process(installation, "assemble", DAY)

    train = task("train", days=DAY)
    waiting = train.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    wait_until(lambda: len(stored(installation)) >= 2, "pieces are stored", 300)
    [lost] = at_work(installation)
    installation.namespace.delete_pod(lost)
    with pytest.raises(AirflowException, match="deleted") as error:
        train.finish(waiting)
    assert not isinstance(error.value, AirflowFailException)
    before = len(stored(installation))
    assert before < PIECES - 1, "it had not come to its end"

    again = train.begin()
    wait_until(lambda: running(installation), "another pod runs", 120)
    [second] = at_work(installation)
    wait_until(lambda: "goes on from round" in installation.namespace.log(second), "it says where it goes on", 120)
    assert train.finish(again)["figures"]["version"] == "1"
