"""API server and kubelet away in the middle of a release and of a job: no request and no result is lost.

What a restart of the real ones does is tested where TIDEWHEEL_TEST_CLUSTER_RESTART names the program that brings them
back; it disturbs all else on the cluster. Everywhere, the way to the API server is cut for the process that releases or
watches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.cluster.outages import API_SERVER, KUBELET, RESTART, CutOff, Kit
from tests.cluster.releases import ServingHouse
from tests.cluster.tasks import at_work, running, task
from tests.conftest import wait_until
from tests.infra.local.conftest import Place
from tests.infra.local.test_release import release
from tests.infra.local.traffic import OngoingRequests
from tidewheel.errors import ReleaseError

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LONG = "2026-01-01..2026-02-28"
PARTS = "API server", "Envoy Gateway", "failed to create containerd task"
"""What an error of a release names: each was away for a moment."""
BAKE_SECONDS, READY_SECONDS, AWAY_SECONDS = 30, 180, 10
Away = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=["cut off", API_SERVER, KUBELET])
def outage(request: pytest.FixtureRequest) -> str:
    """What is away; a restart only where the environment allows it."""
    if request.param != "cut off" and Kit.of_environment() is None:
        pytest.skip(f"a restart disturbs whoever uses the cluster: {RESTART} allows it")
    return str(request.param)


@pytest.fixture
def cut_off(house: ServingHouse, tmp_path: Path) -> Iterator[CutOff]:
    """A way to the API server for the account that releases."""
    way = CutOff(house.kubeconfig, tmp_path)
    yield way
    way.close()


@pytest.fixture
def place(house: ServingHouse, database_url: str, cut_off: CutOff, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A pipeline with two replicas, released on that way, whose new versions bake longer than the outage takes."""
    monkeypatch.setenv("KUBECONFIG", str(cut_off.kubeconfig))
    with house.place(database_url, {"minimum": 2}) as place:
        spec = place.pipeline.release.model_copy(update={"ready_timeout_seconds": READY_SECONDS})
        pipeline = place.pipeline.model_copy(update={"release": spec})
        yield replace(place, pipeline=pipeline, executor=place.executor_for(pipeline))


@pytest.mark.parametrize("stage", ["ready", "bake"])
def test_a_release_in_whose_middle_the_cluster_is_away_loses_no_request_and_is_done_after_it(
    place: Place, cut_off: CutOff, outage: str, stage: str
) -> None:
    release(place, "1")
    spec = place.pipeline.release.model_copy(update={"bake_seconds": BAKE_SECONDS})
    executor = place.executor_for(place.pipeline.model_copy(update={"release": spec}))
    with OngoingRequests(place) as traffic, ThreadPoolExecutor(1) as thread:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        number = executor.begin("2", "first").number
        under_way = thread.submit(executor.run, number)
        wait_until(lambda: any(row.name == stage for row in place.releases.stages(number)), f"{stage} has begun", 240)
        with away(outage, cut_off)():
            hold_out(traffic)
        # It has outlasted the outage or says that it saw it; then the release goes on, or is begun again.
        error = under_way.exception(180)
        assert error is None or any(part in str(error) for part in PARTS), error

        def released() -> bool:
            # Envoy Gateway's controller has lost its lease with the API server, and starts again in its own time.
            try:
                executor.run(executor.begin("2", "once more").number)
            except ReleaseError as again:
                if not any(part in str(again) for part in PARTS):
                    raise
                return False
            return True

        wait_until(released, "version 2 is released", 300)
        before = traffic.versions["2"]
        wait_until(lambda: traffic.versions["2"] > before + 50, "version 2 answers")
    assert traffic.failures == []
    assert place.predict()["model_version"] == "2"


@pytest.fixture
def way_to_watch(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CutOff]:
    """A way to the API server for Airflow's worker and triggerer."""
    way = CutOff(tmp_path / "airflow.kubeconfig", tmp_path)
    extra = {"kube_config_path": str(way.kubeconfig)}
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    yield way
    way.close()


def test_a_job_in_whose_middle_the_cluster_is_away_is_at_work_once_and_lands_what_it_lands_without(
    installation: Installation, way_to_watch: CutOff, outage: str
) -> None:
    land = task("land", days=LONG)
    waiting = land.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    [pod] = at_work(installation)
    with ThreadPoolExecutor(1) as thread:
        watched = thread.submit(land.finish, waiting)
        with away(outage, way_to_watch)():
            time.sleep(AWAY_SECONDS)
        if (error := watched.exception(300)) is not None:
            assert isinstance(error, AirflowException), error
            assert not isinstance(error, AirflowFailException), "a retry goes on with the pod"
            assert pod in str(error)
            land.run()
    assert land.pushed["pod_name"] == pod, "no second pod was at work"
    figures = land.pushed["return_value"]["figures"]
    assert figures["rows"] > 0
    assert figures == task("land", days=LONG).run()["figures"]


def away(outage: str, way: CutOff) -> Away:
    """What an outage is."""
    if outage == "cut off":
        return way.away
    kit = Kit.of_environment()
    assert kit is not None
    return lambda: kit.without(outage)


def hold_out(traffic: OngoingRequests) -> None:
    """Wait while callers are answered as before."""
    ends = time.monotonic() + AWAY_SECONDS
    before = sum(traffic.versions.values())
    wait_until(lambda: time.monotonic() > ends, "time passes", AWAY_SECONDS + 5)
    assert sum(traffic.versions.values()) > before
