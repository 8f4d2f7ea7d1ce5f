"""A colour of several processes: callers do not notice the loss of one."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.conftest import wait_until
from tests.infra.local.conftest import House, Place
from tests.infra.local.traffic import OngoingRequests
from tidewheel.errors import ReleaseError
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour
from tidewheel.spec.serving import Replicas

pytestmark = [pytest.mark.platform]


def with_replicas(place: Place, count: int) -> Executor:
    serving = place.pipeline.serving.model_copy(update={"replicas": Replicas(minimum=count)})
    return place.executor_for(place.pipeline.model_copy(update={"serving": serving}))


def release(executor: Executor, version: str) -> None:
    executor.run(executor.begin(version, f"run of {version}").number)


def pids(house: House, place: Place, colour: Colour) -> dict[str, int]:
    """Processes of a colour, by program."""
    first = f"{place.pipeline.name}-{colour}"
    return {status.name: status.pid for status in house.supervisor.statuses() if status.name.startswith(first)}


def test_a_release_with_two_replicas_and_the_death_of_one_lose_no_request(place: Place, house: House) -> None:
    two = with_replicas(place, 2)
    release(two, "1")
    assert two.plan("1")[0] == []
    assert two.plan("1")[0] != place.executor.plan("1")[0], "another number of replicas takes a release"
    name = place.pipeline.name
    with OngoingRequests(place) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        release(two, "2")
        assert place.backend.replicas(Colour.GREEN) == 2
        assert list(pids(house, place, Colour.BLUE)) == [], "no process of the old colour is left"
        started = pids(house, place, Colour.GREEN)
        assert list(started) == [f"{name}-green", f"{name}-green-2"]
        for victim, how in zip(started, (signal.SIGKILL, signal.SIGTERM), strict=True):
            wait_until(lambda: place.backend.ready_replicas(Colour.GREEN) == 2, "both get requests")
            old = pids(house, place, Colour.GREEN)[victim]
            os.kill(old, how)
            # Whether Envoy counts it out meanwhile is a race of three checks against a start of two seconds.
            wait_until(lambda: pids(house, place, Colour.GREEN).get(victim, old) != old, f"{victim} is started again")  # noqa: B023
            wait_until(lambda: not place.backend.missing(Colour.GREEN), f"{victim} answers")
            assert traffic.failures == [], f"{how.name} to {victim}"
    assert traffic.failures == []


def test_the_replica_that_does_not_run_is_the_one_that_is_named(place: Place, house: House) -> None:
    place.backend.start(Colour.BLUE, place.build("1"), 2)
    second = f"{place.pipeline.name}-blue-2"
    assert place.backend.problem(Colour.BLUE) == ""
    wait_until(lambda: not place.backend.missing(Colour.BLUE), "both answer", 60)
    memory = place.backend.memory_mb(Colour.BLUE)
    first = psutil.Process(pids(house, place, Colour.BLUE)[f"{place.pipeline.name}-blue"]).memory_info().rss / 2**20
    assert memory > first + 1, "the memory is of both processes"
    house.supervisor.stop(second)
    assert place.backend.problem(Colour.BLUE).startswith(f"{second} is STOPPED; the end of {house.layout.log(second)}")
    assert place.backend.missing(Colour.BLUE).startswith(f"{second} is not ready: http://127.0.0.1:")
    with pytest.raises(ReleaseError, match=f"{second} is STOPPED"):
        place.backend.memory_mb(Colour.BLUE)
    place.backend.start(Colour.BLUE, place.build("1"), 2)
    assert place.backend.problem(Colour.BLUE) == "", "a second start brings back what is missing"
