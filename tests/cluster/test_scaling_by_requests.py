"""An autoscaler that follows requests in flight: through exporter, Prometheus and prometheus-adapter, all real."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.kubernetes.workload import CPU_PERCENT
from tests.cluster.kubernetes import Cluster
from tests.cluster.metrics_adapter import external_metrics
from tests.cluster.releases import ServingHouse
from tests.conftest import wait_until
from tests.infra.local.traffic import OngoingRequests
from tests.infra.release_contract import BLUE, start
from tidewheel.release.traffic import Traffic, reroute

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

log = logging.getLogger(__name__)


@pytest.fixture
def adapter(cluster: Cluster, house: ServingHouse, database_url: str, tmp_path: Path) -> Iterator[None]:
    """The cluster serves external metrics of the pipelines whose files are in a folder; as its administrator."""
    (tmp_path / "dags").mkdir()
    settings = house.settings(database_url).model_copy(update={"project": tmp_path})
    with external_metrics(cluster, house.namespace, settings, tmp_path):
        yield


def test_pods_are_added_where_requests_wait_although_no_cpu_is_busy(
    adapter: None,
    house: ServingHouse,
    database_url: str,
    tmp_path: Path,
    as_releaser: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    replicas = {"minimum": 1, "maximum": 3, "requests_in_flight": 1.5}
    with house.place(database_url, replicas) as place:
        (tmp_path / "dags" / f"{place.pipeline.name}.yaml").touch()
        start(place, BLUE, "slow")  # it sleeps for 0.3 s before it answers
        assert "CPU alone" not in caplog.text
        reroute(place.backend, Traffic(BLUE))
        began = time.monotonic()
        with OngoingRequests(place, kept=6, fresh=0) as traffic:
            wait_until(lambda: house.in_flight(place, BLUE) > 4, "the autoscaler reads six requests in flight", 120)
            wait_until(lambda: place.backend.ready_replicas(BLUE) == 3, "three pods answer", 180)
            log.info(f"1 -> 3 pods {time.monotonic() - began:.0f} s after six callers began")
            busy = house.cpu_share(place, BLUE)
        assert traffic.failures == []
        assert busy < CPU_PERCENT, "it was not its CPU"
