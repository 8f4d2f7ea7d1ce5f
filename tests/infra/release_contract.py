"""What every backend of releases must do. A backend's tests inherit from this, with a fixture `place` of their own."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest

from tests.conftest import wait_until
from tests.infra.local.conftest import Place
from tidewheel.errors import PlatformError, ReleaseError
from tidewheel.release.probe import Probe
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Gone, Traffic, reroute

BLUE, GREEN = Colour.BLUE, Colour.GREEN
ROW = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
START_SECONDS = 180


def start(place: Place, colour: Colour, version: str) -> None:
    """Have a version answer in a colour, with as many replicas as declared."""
    place.backend.start(colour, place.build(version), place.pipeline.serving.replicas.minimum)
    await_ready(place, colour)


def await_ready(place: Place, colour: Colour) -> None:
    def ready() -> bool:
        assert not (problem := place.backend.problem(colour)), problem
        return not place.backend.missing(colour)

    wait_until(ready, f"{colour} is ready", START_SECONDS)


def answers_in(place: Place, colour: Colour) -> tuple[str, str]:
    with Probe(place.backend.address(colour), platform_token=place.backend.token()) as probe:
        answer = probe.predict([ROW])
    return answer.version, answer.colour


def counted(place: Place, colour: Colour) -> int:
    """Requests by the router's figures, which may be a moment behind."""
    try:
        return place.backend.request_counts(colour).requests
    except PlatformError:
        return 0


class ReleaseContract:
    """The contract of `tidewheel.release.backend.Backend`."""

    def test_before_anything_was_started_nothing_runs_and_nothing_is_routed(self, place: Place) -> None:
        assert [place.backend.version(colour) for colour in Colour] == [None, None]
        assert place.backend.traffic() == Traffic()
        assert place.backend.problem(BLUE)
        with pytest.raises(ReleaseError, match="nothing was started as"):
            place.backend.route(Traffic(BLUE))
        place.backend.stop(BLUE)

    def test_a_version_runs_in_its_colour_and_can_be_started_and_stopped_twice(self, place: Place) -> None:
        start(place, BLUE, "1")
        assert answers_in(place, BLUE) == ("1", "blue")
        assert place.backend.version(BLUE) == "1"
        assert 20 < place.backend.memory_mb(BLUE) < 1000

        place.backend.start(BLUE, place.build("1"), 1)
        assert answers_in(place, BLUE) == ("1", "blue"), "what runs already is not started again"

        place.backend.start(BLUE, place.build("2"), 1)
        await_ready(place, BLUE)
        assert [answers_in(place, BLUE) for _ in range(5)] == [("2", "blue")] * 5, "and nothing else runs beside it"
        for _ in range(2):
            place.backend.stop(BLUE)
            assert place.backend.version(BLUE) is None

    def test_a_version_that_crashes_shows_the_end_of_its_log(self, place: Place) -> None:
        place.backend.start(GREEN, place.build("3"), 1)
        wait_until(lambda: "a_library_that_is_missing" in place.backend.problem(GREEN), "it has crashed", START_SECONDS)

    def test_requests_go_where_the_router_was_told_and_what_gets_any_is_not_stopped(self, place: Place) -> None:
        backend = place.backend
        start(place, BLUE, "1")
        start(place, GREEN, "2")
        reroute(backend, Traffic(BLUE))
        assert backend.all_traffic(place.settings)[place.pipeline.name] == Traffic(BLUE)
        assert place.predict()["model_version"] == "1"
        for colour in (BLUE, GREEN, BLUE):
            reroute(backend, Traffic(colour))
            for router in backend.routers():
                answer = httpx.post(f"{router}/predict", json={"rows": [ROW]}, timeout=10)
                assert (answer.status_code, answer.json()["colour"]) == (200, str(colour))
            with pytest.raises(ReleaseError, match="must not be stopped"):
                backend.stop(colour)
        bare = httpx.get(backend.endpoint(), timeout=10)
        assert (bare.status_code, bare.headers["location"]) == (308, f"/{place.pipeline.name}/")

        reroute(backend, Traffic())
        wait_until(lambda: httpx.get(f"{backend.endpoint()}/readyz").status_code == 404, "nothing answers")
        assert place.pipeline.name not in backend.all_traffic(place.settings)

    def test_a_share_is_answered_by_the_other_colour_and_each_has_figures_of_its_own(self, place: Place) -> None:
        backend = place.backend
        start(place, BLUE, "1")
        start(place, GREEN, "2")
        reroute(backend, Traffic(BLUE, share=30))
        place.predict()
        wait_until(lambda: bool(backend.request_counts(BLUE)), "the router has figures")
        wait_until(lambda: all(backend.in_flight(colour) == 0 for colour in Colour), "nothing is in flight")
        before = {colour: backend.request_counts(colour) for colour in Colour}
        with httpx.Client() as client:
            versions = Counter(str(place.predict(client)["model_version"]) for _ in range(200))
        assert set(versions) == {"1", "2"}
        assert 30 <= versions["2"] <= 95
        for colour, version in ((BLUE, "1"), (GREEN, "2")):
            seen = None

            def complete(colour: Colour = colour, version: str = version) -> bool:
                nonlocal seen
                seen = backend.request_counts(colour).since(before[colour])
                return seen is not None and sum(count for _, count in seen.times) >= versions[version]

            wait_until(complete, "the router has noted how long each took")
            assert seen is not None
            assert (seen.requests, seen.errors) == (versions[version], 0)
        answer = httpx.post(f"{backend.endpoint()}/predict", json={"rows": "none"}, timeout=10)
        assert 400 <= answer.status_code < 500
        refused = [backend.request_counts(colour).since(before[colour]) for colour in Colour]
        assert sum(seen.refused for seen in refused if seen) == 1

    def test_copies_go_to_the_other_colour_whose_answers_nobody_gets(self, place: Place) -> None:
        start(place, BLUE, "1")
        start(place, GREEN, "2")
        reroute(place.backend, Traffic(BLUE, mirrored=True))
        place.predict()
        wait_until(lambda: counted(place, GREEN) > 0, "the router has copied a request")
        before = counted(place, GREEN)
        with httpx.Client() as client:
            assert {place.predict(client)["model_version"] for _ in range(30)} == {"1"}
        wait_until(lambda: counted(place, GREEN) == before + 30, "all were copied")

    def test_callers_of_a_pipeline_that_was_given_up_are_told_so(self, place: Place) -> None:
        name, url = place.pipeline.name, f"{place.backend.endpoint()}/predict"
        start(place, BLUE, "1")
        reroute(place.backend, Traffic(BLUE))
        gone = Gone("2026-02-03")
        place.backend.withdraw(gone)
        wait_until(lambda: httpx.post(url, json={}).status_code == 410, "callers are told")
        said = httpx.post(url, json={}).json()
        assert said == {"status": 410, "error": gone.sentence(name), "path": f"/{name}/predict"}
        assert place.backend.traffic() == Traffic()
        reroute(place.backend, Traffic())
        assert httpx.post(url, json={}).status_code == 410, "they still are where nothing shall be routed"
        place.backend.stop(BLUE)

        place.backend.withdraw(Gone("2026-02-03", renamed_to="orders"))
        wait_until(lambda: httpx.post(url, json={}).status_code == 308, "callers are sent on")
        moved = httpx.post(url, json={})
        assert moved.headers["location"] == "/orders/predict"
        assert "was renamed on 2026-02-03: send requests to /orders/predict" in moved.json()["error"]
        assert httpx.get(f"{place.backend.endpoint()}/readyz").status_code == 410

        start(place, GREEN, "2")
        reroute(place.backend, Traffic(GREEN))
        assert place.predict()["model_version"] == "2"
