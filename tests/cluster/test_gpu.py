"""GPUs that a node advertises: a job that asks for one is put there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cluster.tasks import task

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation
    from tests.cluster.kubernetes import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture
def gpus(cluster: Cluster) -> Iterator[None]:
    """A node with two GPUs behind which there is no device, unless the cluster has some of its own."""
    with cluster.advertised_gpus(2):
        yield


def test_a_job_that_asks_for_a_gpu_runs_where_one_is_free(gpus: None, installation: Installation) -> None:
    land = task("land", resources={"gpu": 1})
    waiting = land.begin()
    [pod] = installation.namespace.pods()

    assert pod.spec.containers[0].resources.limits["nvidia.com/gpu"] == "1"
    assert land.finish(waiting)["figures"]["rows"] > 0
