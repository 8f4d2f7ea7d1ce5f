"""Releases with real processes: BentoML services, Envoy, supervisord, PostgreSQL."""

from __future__ import annotations

import signal

import pytest

from plugins.registry import routed_astray
from tests.conftest import wait_until
from tests.infra.local.conftest import House, Place, answers
from tests.infra.local.deadly import release_and_die
from tests.infra.local.traffic import OngoingRequests
from tidewheel.errors import ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.release import Colour, stage_names
from tidewheel.release.traffic import Traffic

pytestmark = [pytest.mark.platform]


def release(place: Place, version: str) -> int:
    begun = place.executor.begin(version, f"run of {version}")
    place.executor.run(begun.number)
    return begun.number


def test_a_first_release_answers_below_its_prefix(place: Place, house: House) -> None:
    number = release(place, "1")
    answer = place.predict()
    assert (answer["model_version"], answer["colour"]) == ("1", "blue")
    assert place.releases.get(number).status == Status.DONE
    endpoint = place.releases.endpoint(place.pipeline.name)
    assert endpoint is not None
    assert (endpoint.version, endpoint.colour, endpoint.previous_version) == ("1", "blue", None)
    again = place.executor.begin("1", "again")
    assert again.stages == ()
    assert again.sentence == "version 1 is live as blue and healthy: nothing to do"


def test_a_version_that_crashes_at_start_is_refused_and_the_live_colour_untouched(place: Place) -> None:
    release(place, "1")
    with pytest.raises(ReleaseError, match="a_library_that_is_missing"):
        release(place, "3")
    assert place.predict()["model_version"] == "1"
    assert place.backend.version(Colour.GREEN) is None
    newest = place.releases.newest(place.pipeline.name)[0]
    assert newest.status == Status.FAILED
    assert newest.reason.startswith("ready: ")


def test_a_version_that_answers_otherwise_than_offline_is_refused(place: Place) -> None:
    release(place, "1")
    with pytest.raises(ReleaseError, match="offline it was"):
        release(place, "4")
    assert place.predict()["model_version"] == "1"


def test_two_switches_under_traffic_lose_no_request(place: Place) -> None:
    release(place, "1")
    with OngoingRequests(place) as traffic:
        wait_until(lambda: traffic.versions["1"] > 50, "traffic flows")
        release(place, "2")
        wait_until(lambda: traffic.versions["2"] > 50, "version 2 answers")
        assert place.backend.version(Colour.BLUE) is None
        first = traffic.versions["1"]
        release(place, "1")
        wait_until(lambda: traffic.versions["1"] > first + 50, "version 1 answers again")
    assert traffic.failures == []
    endpoint = place.releases.endpoint(place.pipeline.name)
    assert endpoint is not None
    assert (endpoint.version, endpoint.colour, endpoint.previous_version) == ("1", "blue", "2")


def test_a_router_that_goes_its_own_way_is_seen_and_brought_back_without_losing_a_request(place: Place) -> None:
    def astray() -> str | None:
        return routed_astray(place.settings, place.releases.ledger).get(place.pipeline.name)

    number = release(place, "1")
    assert astray() is None
    place.backend.start(Colour.GREEN, place.build("2"), 1)
    green = f"{place.backend.address(Colour.GREEN)}/readyz"
    wait_until(lambda: answers(green), "version 2 is ready")
    with OngoingRequests(place) as traffic:
        place.backend.route(Traffic(Colour.BLUE, share=50))
        wait_until(lambda: traffic.versions["2"] > 20, "half of the requests go to version 2")
        assert astray() == "50% to blue, 50% to green"

        again = place.executor.begin("1", "as the watcher has it begun")  # the plan of every release

        before = traffic.versions["2"], traffic.versions["1"]
        wait_until(lambda: traffic.versions["1"] > before[1] + 50, "version 1 answers alone")
        assert traffic.versions["2"] == before[0]
    assert traffic.failures == []
    assert (again.sentence, again.number) == ("version 1 is live as blue and healthy: nothing to do", number + 1)
    assert astray() is None
    assert place.backend.version(Colour.GREEN) is None


@pytest.mark.slow
def test_a_release_killed_in_every_stage_resumes_where_it_was_and_loses_no_request(place: Place, house: House) -> None:
    release(place, "1")
    with OngoingRequests(place, kept=1) as traffic:
        for stage in stage_names(place.pipeline)[1:]:
            code = release_and_die(place.settings, place.pipeline, house.artifacts, "2", stage)
            assert code == -signal.SIGKILL
            halted = place.releases.newest(place.pipeline.name)[0]
            assert halted.status == Status.RUNNING
            assert place.releases.stages(halted.id)[-1].name == stage
        resumed = place.executor.begin("2", "somebody else")
        assert resumed.number == halted.id
        place.executor.run(resumed.number)
    assert traffic.failures == []
    assert place.predict()["model_version"] == "2"
    assert place.backend.version(Colour.BLUE) is None
    assert [row.status for row in place.releases.newest(place.pipeline.name)] == [Status.DONE, Status.DONE]
