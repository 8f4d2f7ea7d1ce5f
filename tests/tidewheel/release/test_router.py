"""What a release asks of a router that has several processes, or is slow to apply a request."""

from __future__ import annotations

import pytest

from tests.tidewheel.release.conftest import Stand
from tidewheel.errors import ReleaseError
from tidewheel.release import Colour, checks, traffic
from tidewheel.release.traffic import Traffic

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def test_a_colour_is_not_ready_while_the_backend_says_that_something_of_it_is_missing(stand: Stand) -> None:
    stand.backend.lacks = ["1 of 2 pods"] * 3
    number = stand.release("1")
    assert stand.backend.lacks == []
    stages = {row.name: row.detail for row in stand.releases.stages(number)}
    assert stages["ready"]["seconds"] >= 0.3


def test_what_a_colour_is_missing_is_the_reason_of_a_release_that_fails_by_it(stand: Stand) -> None:
    spec = stand.pipeline.release.model_copy(update={"ready_timeout_seconds": 0.2})
    stand.pipeline = stand.pipeline.model_copy(update={"release": spec})
    stand.backend.lacks = ["no node has room"] * 20
    with pytest.raises(ReleaseError, match=r"blue is not ready after 0\.2 s: no node has room"):
        stand.release("1")


def test_a_switch_is_confirmed_by_each_process_of_the_router(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "ROUTER_SECONDS", 0.3)
    stand.release("1")
    stand.backend.astray = {"/second": BLUE}
    with pytest.raises(ReleaseError, match=r"confirm failed: .*/second is still answered by version 1 as blue"):
        stand.release("2")
    assert stand.backend.traffic() == Traffic(BLUE)


def test_a_router_that_objects_to_a_change_is_quoted_and_the_release_goes_back(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "ROUTER_SECONDS", 0.3)
    stand.release("1")
    stand.backend.objects = "the controller is away"
    expected = "requests go to green, but the router has not confirmed it: the controller is away"
    with pytest.raises(ReleaseError, match=expected):
        traffic.reroute(stand.backend, Traffic(GREEN))
