"""What may come in between while a release runs on the cluster, or after it: callers are answered throughout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus

import pytest
from kubernetes.client.exceptions import ApiException

from tests.cluster.releases import ServingHouse
from tests.conftest import wait_until
from tests.infra.local.conftest import Place
from tests.infra.local.test_release import release
from tests.infra.local.traffic import OngoingRequests
from tests.infra.release_contract import BLUE, GREEN, start
from tidewheel.errors import ReleaseError, TidewheelError
from tidewheel.ledger.releases import Status
from tidewheel.release.traffic import Traffic, reroute

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

QUOTA = "no-more-pods"


@pytest.fixture
def two(house: ServingHouse, database_url: str, as_releaser: None) -> Iterator[Place]:
    """A pipeline with two replicas."""
    with house.place(database_url, {"minimum": 2}) as place:
        yield place


def test_releases_of_one_pipeline_at_once_leave_one_version_and_lose_no_request(place: Place) -> None:
    release(place, "1")

    def attempt(version: str) -> str:
        try:
            executor = place.executor_for(place.pipeline)
            executor.run(executor.begin(version, f"run of {version}").number)
        except ReleaseError as error:  # of the one that the other has overtaken
            return str(error)
        return ""

    with OngoingRequests(place) as traffic, ThreadPoolExecutor(3) as threads:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        sentences = list(threads.map(attempt, ("2", "1", "2")))
        final = place.executor_for(place.pipeline)
        final.run(final.begin("2", "the last word").number)
        before = traffic.versions["2"]
        wait_until(lambda: traffic.versions["2"] > before + 50, "version 2 answers")
    assert traffic.failures == []
    assert place.releases.newest(place.pipeline.name)[0].status == Status.DONE
    assert all("version" in sentence for sentence in sentences if sentence), sentences
    answering = place.backend.traffic().live
    assert answering is not None
    assert place.backend.version(answering) == "2"
    assert place.backend.version(answering.other) is None


def test_a_node_drained_of_a_pipelines_pods_is_not_noticed_by_callers(two: Place, house: ServingHouse) -> None:
    start(two, BLUE, "1")
    reroute(two.backend, Traffic(BLUE))
    first = set(house.pods(two, BLUE))
    with OngoingRequests(two) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        refused = drain(house, first)
        wait_until(lambda: not two.backend.missing(BLUE), "as many pods as before answer", 120)
        before = traffic.versions["1"]
        wait_until(lambda: traffic.versions["1"] > before + 300, "traffic flows on")
    assert traffic.failures == []
    assert not first & set(house.pods(two, BLUE))
    assert refused, "while one pod is on its way the other is not let go"


def drain(house: ServingHouse, pods: set[str]) -> int:
    """Evict pods as `kubectl drain` does: all at once, again where the budget refuses. Returns how often it did."""
    left, refused = set(pods), 0

    def evicted() -> bool:
        nonlocal refused
        for pod in sorted(left):
            try:
                house.namespace.evict(pod)
            except ApiException as error:
                if error.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                refused += 1
            else:
                left.discard(pod)
        return not left

    wait_until(evicted, "all pods are evicted", 180)
    return refused


def test_a_quota_that_is_used_up_is_named_by_the_release_and_the_live_version_answers_on(
    place: Place, house: ServingHouse
) -> None:
    release(place, "1")
    house.namespace.quota(QUOTA, pods=str(len(house.namespace.pods())))
    try:
        with OngoingRequests(place, kept=1) as traffic, pytest.raises(ReleaseError, match=f"exceeded quota: {QUOTA}"):
            release(place, "2")
    finally:
        house.namespace.forget_quota(QUOTA)
    assert traffic.failures == []
    assert place.backend.version(GREEN) is None
    release(place, "2")
    assert place.predict()["model_version"] == "2"


@contextmanager
def permissions_away(house: ServingHouse) -> Iterator[None]:
    """The account that releases is bound to no Role."""
    house.namespace.rbac.delete_namespaced_role_binding("tidewheel-releaser", house.namespace.name)
    try:
        wait_until(house.releaser_is_unbound, "the API server has heard of it")
        yield
    finally:
        house.bind_releaser()


CUT_OFF: dict[str, tuple[Callable[[ServingHouse], AbstractContextManager[None]], str]] = {
    "controller": (ServingHouse.controller_away, "see that Envoy Gateway's own pod runs"),
    "permissions": (permissions_away, r"infra/kubernetes/serving\.yaml"),
}
"""What a release may lose in its middle, and what its error then says."""


@pytest.mark.parametrize("lost", CUT_OFF)
def test_what_a_release_loses_in_its_middle_is_named_and_the_next_attempt_ends_it(
    place: Place, house: ServingHouse, lost: str
) -> None:
    without, expected = CUT_OFF[lost]
    release(place, "1")
    with OngoingRequests(place, kept=1) as traffic, ThreadPoolExecutor(1) as thread:
        number = place.executor.begin("2", "first").number
        under_way = thread.submit(place.executor.run, number)
        wait_until(lambda: any(row.name == "ready" for row in place.releases.stages(number)), "its pods start", 60)
        with without(house):
            with pytest.raises(TidewheelError, match=expected):
                under_way.result(300)
            before = traffic.versions["1"]
            wait_until(lambda: traffic.versions["1"] > before + 50, "version 1 answers on")
        wait_until(lambda: not place.backend.objection(), "the gateway has caught up", 90)
        release(place, "2")
        before = traffic.versions["2"]
        wait_until(lambda: traffic.versions["2"] > before + 50, "version 2 answers")
    assert traffic.failures == []
    assert place.releases.newest(place.pipeline.name)[0].status == Status.DONE
