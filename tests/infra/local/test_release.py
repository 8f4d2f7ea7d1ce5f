"""Releases with real processes: BentoML services, Envoy, supervisord, PostgreSQL."""

from __future__ import annotations

import pytest

from tests.infra.local.conftest import House, Place
from tidewheel.errors import ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.release.stages import Colour

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
