"""Releases under load on the cluster, and their faults: callers notice nothing, and sentences name the cause."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cluster.releases import ServingHouse
from tests.conftest import wait_until
from tests.infra.local.conftest import Place
from tests.infra.local.test_release import release
from tests.infra.local.traffic import OngoingRequests
from tests.infra.release_contract import BLUE, GREEN, start
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.release.traffic import Traffic, reroute

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SWITCHES = 20
log = logging.getLogger(__name__)


@pytest.fixture
def two(house: ServingHouse, database_url: str, as_releaser: None) -> Iterator[Place]:
    """A pipeline with two replicas."""
    with house.place(database_url, {"minimum": 2}) as place:
        yield place


@pytest.fixture
def mortal(house: ServingHouse, database_url: str, as_releaser: None) -> Iterator[Place]:
    """The same, with pods in which a process can be killed from beside it."""
    with house.place(database_url, {"minimum": 2}, {"shareProcessNamespace": True}) as place:
        yield place


@pytest.fixture
def scaled(house: ServingHouse, database_url: str, as_releaser: None) -> Iterator[Place]:
    """A pipeline whose pods an autoscaler counts."""
    with house.place(database_url, {"minimum": 1, "maximum": 3}) as place:
        yield place


def test_twenty_switches_under_load_lose_no_request(place: Place) -> None:
    start(place, BLUE, "1")
    start(place, GREEN, "2")
    reroute(place.backend, Traffic(BLUE))
    seconds = []
    with OngoingRequests(place, kept=3, fresh=1) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        began = time.monotonic()
        for n in range(SWITCHES):
            colour, version = ((GREEN, "2"), (BLUE, "1"))[n % 2]
            asked = time.monotonic()
            reroute(place.backend, Traffic(colour))
            seconds.append(time.monotonic() - asked)
            before = traffic.versions[version]
            wait_until(lambda before=before, version=version: traffic.versions[version] > before + 50, "it answers")
        rate = sum(traffic.versions.values()) / (time.monotonic() - began)
    assert traffic.failures == []
    log.info(f"{rate:.0f} requests/s, switches {min(seconds):.2f}-{max(seconds):.2f} s")
    assert max(seconds) < 5


def test_whole_releases_under_load_lose_no_request_and_leave_one_colour(place: Place) -> None:
    release(place, "1")
    with OngoingRequests(place) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        release(place, "2")
        wait_until(lambda: traffic.versions["2"] > 50, "version 2 answers")
    assert traffic.failures == []
    assert place.backend.version(BLUE) is None
    again = place.executor.begin("2", "again")
    assert again.sentence == "version 2 is live as green and healthy: nothing to do"


def test_a_pod_that_is_deleted_under_load_is_not_missed(two: Place, house: ServingHouse) -> None:
    start(two, BLUE, "1")
    reroute(two.backend, Traffic(BLUE))
    with OngoingRequests(two) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        [gone, stays] = sorted(house.pods(two, BLUE))
        house.namespace.delete_pod(gone)
        wait_until(
            lambda: len(house.pods(two, BLUE)) == 2 and not two.backend.missing(BLUE), "another pod has come", 60
        )
        before = traffic.versions["1"]
        wait_until(lambda: traffic.versions["1"] > before + 300, "traffic flows on")
    assert traffic.failures == []
    assert stays in house.pods(two, BLUE)


def test_a_process_that_is_killed_under_load_is_not_missed(mortal: Place, house: ServingHouse) -> None:
    start(mortal, BLUE, "1")
    reroute(mortal.backend, Traffic(BLUE))
    with OngoingRequests(mortal) as traffic:
        for pod in house.pods(mortal, BLUE):
            before = traffic.versions["1"]
            wait_until(lambda before=before: traffic.versions["1"] > before + 300, "traffic flows")
            house.kill_service(pod)
            wait_until(lambda pod=pod: house.restarts(pod) == 1, "it is started again", 60)
            wait_until(lambda: not mortal.backend.missing(BLUE), "both answer", 60)
            assert traffic.failures == []
    assert traffic.failures == []


def test_a_version_that_crash_loops_is_refused_with_the_end_of_its_log_and_the_live_colour_stays(place: Place) -> None:
    release(place, "1")
    with OngoingRequests(place, kept=1) as traffic, pytest.raises(ReleaseError, match="a_library_that_is_missing"):
        release(place, "3")
    assert traffic.failures == []
    assert place.backend.version(GREEN) is None
    newest = place.releases.newest(place.pipeline.name)[0]
    assert newest.status == Status.FAILED
    assert newest.reason.startswith("ready: ")


def test_a_version_that_fails_callers_is_taken_back(place: Place) -> None:
    release(place, "1")
    spec = place.pipeline.release.model_copy(update={"bake_seconds": 40})
    executor = place.executor_for(place.pipeline.model_copy(update={"release": spec}))
    with OngoingRequests(place) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        with pytest.raises(ReleaseError, match="requests to version errs failed"):
            executor.run(executor.begin("errs", "run").number)
        before = traffic.versions["1"]
        wait_until(lambda: traffic.versions["1"] > before + 100, "version 1 answers again")
    newest = place.releases.newest(place.pipeline.name)[0]
    stages = {stage.name: stage for stage in place.releases.stages(newest.id)}
    log.info(f"routed back in {stages['bake'].detail['back_after_seconds']} s")
    assert place.backend.traffic() == Traffic(BLUE)


def test_pods_that_cannot_come_are_explained(
    place: Place, house: ServingHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = place.settings.model_copy(update={"serving_image": "localhost/never-pushed:1"})
    backend = house.backend(settings, place.pipeline)
    backend.start(BLUE, place.build("1"), 1)
    wait_until(lambda: "localhost/never-pushed:1 cannot be pulled" in backend.problem(BLUE), "the image is named", 60)
    backend.stop(BLUE)

    resources = place.pipeline.serving.resources.model_copy(update={"cpu": 200})
    serving = place.pipeline.serving.model_copy(update={"resources": resources})
    backend = house.backend(place.settings, place.pipeline.model_copy(update={"serving": serving}))
    backend.start(BLUE, place.build("1"), 1)
    wait_until(lambda: "Insufficient cpu" in backend.missing(BLUE), "the lack of room is named", 60)
    assert "has 0 of 1 pods available: no node has room for pod" in backend.missing(BLUE)
    assert not backend.problem(BLUE), "a node may still come"


def test_two_releases_of_two_pipelines_at_once(house: ServingHouse, place: Place, database_url: str) -> None:
    with house.place(database_url) as other, ThreadPoolExecutor(2) as threads:
        for version in ("1", "2"):
            list(threads.map(release, (place, other), (version, version)))
        assert [each.predict()["model_version"] for each in (place, other)] == ["2", "2"]


def test_pods_come_and_go_with_the_load_and_a_new_version_starts_as_large_as_the_live_one(
    scaled: Place, house: ServingHouse
) -> None:
    start(scaled, BLUE, "1")
    reroute(scaled.backend, Traffic(BLUE))
    began = time.monotonic()
    with OngoingRequests(scaled, kept=6) as heavy:
        wait_until(lambda: scaled.backend.ready_replicas(BLUE) == 3, "three pods answer", 180)
        log.info(f"1 -> 3 pods {time.monotonic() - began:.0f} s after the load began")
        start(scaled, GREEN, "2")
        assert scaled.backend.ready_replicas(GREEN) == 3
        reroute(scaled.backend, Traffic(GREEN))
    assert heavy.failures == []
    scaled.backend.stop(BLUE)
    assert house.autoscaler_limits(scaled, GREEN) == (1, 3)
    house.let_pods_go_at_once(scaled, GREEN)
    with OngoingRequests(scaled, kept=0, pause=0.2) as light:
        wait_until(lambda: len(house.pods(scaled, GREEN)) == 1, "one pod is left", 180)
        before = light.versions["2"]
        wait_until(lambda: light.versions["2"] > before + 20, "traffic flows on")
    assert light.failures == []


def test_while_the_gateways_controller_is_away_routes_keep_answering_and_a_release_says_so(
    place: Place, house: ServingHouse
) -> None:
    release(place, "1")
    start(place, GREEN, "2")
    with house.controller_away(), OngoingRequests(place, kept=1) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        expected = "cannot be sent to green, and no request goes there: HTTPRoute .* was changed and the controller"
        with pytest.raises(PlatformError, match=expected):
            reroute(place.backend, Traffic(GREEN))
        assert place.backend.traffic() == Traffic(BLUE)
        place.backend.stop(GREEN)  # nothing is routed there, by what the gateway's pods have
    assert traffic.failures == []
    wait_until(lambda: not place.backend.objection(), "the controller has caught up", 60)
    start(place, GREEN, "2")
    reroute(place.backend, Traffic(GREEN))
    assert place.predict()["model_version"] == "2"


def test_what_the_account_may_not_do_is_named_with_its_role(place: Place, house: ServingHouse) -> None:
    house.namespace.rbac.delete_namespaced_role_binding("tidewheel-releaser", house.namespace.name)
    try:
        wait_until(house.releaser_is_unbound, "the API server has heard of it")
        with pytest.raises(PlatformError, match=r"cannot get resource .* infra/kubernetes/serving\.yaml"):
            place.backend.version(BLUE)
    finally:
        house.bind_releaser()


def test_no_caller_sets_the_time_or_the_retries_of_its_request(place: Place) -> None:
    release(place, "1")
    row = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
    for headers in ({"x-envoy-upstream-rq-timeout-ms": "1"}, {"x-envoy-max-retries": "0", "x-envoy-retry-on": "5xx"}):
        for _ in range(20):
            answer = httpx.post(f"{place.backend.endpoint()}/predict", json={"rows": [row]}, headers=headers)
            assert answer.status_code == 200
