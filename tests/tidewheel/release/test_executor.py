"""The executor's decisions: what it writes down, what it takes back, who may go on."""

from __future__ import annotations

import pytest

from tests.tidewheel.release.conftest import Stand
from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.release.stages import STAGE_NAMES, Colour

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def test_a_release_writes_down_each_stage_with_a_sentence(stand: Stand) -> None:
    number = stand.release("1")
    stages = stand.releases.stages(number)
    assert [stage.name for stage in stages] == list(STAGE_NAMES[1:-2])
    assert all(stage.status == Status.DONE and stage.detail["sentence"] for stage in stages)
    assert stand.releases.get(number).status == Status.DONE


def test_each_stage_may_be_run_by_another_process(stand: Stand) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    for name in STAGE_NAMES:
        stand.executor().run_stage(number, name)
    assert stand.backend.routed() is GREEN
    assert stand.backend.running == {GREEN: "2"}


def test_a_stage_that_is_done_or_not_planned_is_left_alone(stand: Stand) -> None:
    number = stand.release("1")
    happened = list(stand.backend.happened)
    assert stand.executor().run_stage(number, "start").sentence == "start was done before"
    assert stand.executor().run_stage(number, "drain").sentence.startswith("drain is not part of this plan: first ")
    assert stand.backend.happened == happened


def test_a_stage_never_runs_before_those_in_front_of_it(stand: Stand) -> None:
    number = stand.executor().begin("1", "run").number
    with pytest.raises(ReleaseError, match="switch of release 1 comes after package, start, ready, warm_up, parity"):
        stand.executor().run_stage(number, "switch")


@pytest.mark.parametrize("stage", ["package", "start", "ready", "warm_up", "parity", "switch", "confirm"])
def test_a_failure_before_the_drain_leaves_the_old_version_live_and_nothing_else_running(
    stand: Stand, stage: str
) -> None:
    stand.release("1")
    stand.release("2")
    stand.fails_at = stage
    with pytest.raises(ReleaseError, match=f"stage {stage} failed: as told"):
        stand.release("3")
    assert stand.backend.routed() is GREEN
    assert stand.backend.running == {GREEN: "2"}
    endpoint = stand.releases.endpoint("orders")
    assert endpoint is not None
    assert (endpoint.colour, endpoint.version, endpoint.previous_version) == (GREEN, "2", "1")
    newest = stand.releases.newest("orders")[0]
    assert (newest.status, newest.reason) == (
        Status.FAILED,
        f"{stage}: as told (blue is stopped; version 2 answers as green)",
    )
    stand.fails_at = ""
    stand.release("3")
    assert stand.backend.running == {BLUE: "3"}


def test_a_first_release_that_fails_leaves_nothing(stand: Stand) -> None:
    stand.fails_at = "confirm"
    with pytest.raises(ReleaseError):
        stand.release("1")
    assert stand.backend.routed() is None
    assert stand.backend.running == {}
    assert stand.releases.endpoint("orders") is None


@pytest.mark.parametrize("stage", ["drain", "retire"])
def test_a_failure_after_the_new_version_has_proven_itself_is_tried_again_and_never_taken_back(
    stand: Stand, stage: str
) -> None:
    stand.release("1")
    stand.fails_at = stage
    with pytest.raises(ReleaseError):
        stand.release("2")
    assert stand.backend.routed() is GREEN
    stand.fails_at = ""
    stand.release("2")
    assert stand.backend.running == {GREEN: "2"}


def test_the_same_wish_joins_the_release_that_is_under_way(stand: Stand) -> None:
    first = stand.executor().begin("1", "one")
    assert stand.executor().begin("1", "two").number == first.number


def test_a_newer_wish_takes_back_a_release_that_has_not_switched(stand: Stand) -> None:
    stand.release("1")
    overtaken = stand.executor().begin("2", "one").number
    for name in ("package", "start", "ready"):
        stand.executor().run_stage(overtaken, name)
    stand.release("3")
    assert stand.releases.get(overtaken).status == Status.SUPERSEDED
    assert stand.backend.running == {GREEN: "3"}
    assert "overtaken by version 3" in stand.executor().run_stage(overtaken, "warm_up").sentence


def test_a_newer_wish_brings_a_release_that_has_switched_to_its_end_first(stand: Stand) -> None:
    stand.release("1")
    first = stand.executor().begin("2", "one").number
    for name in STAGE_NAMES[: STAGE_NAMES.index("switch") + 1]:
        stand.executor().run_stage(first, name)
    stand.release("3")
    assert stand.releases.get(first).status == Status.DONE
    assert stand.backend.running == {BLUE: "3"}
    endpoint = stand.releases.endpoint("orders")
    assert endpoint is not None
    assert endpoint.previous_version == "2"


def test_a_ledger_that_cannot_be_reached_fails_no_release(stand: Stand) -> None:
    stand.release("1")
    stand.fails_at, stand.failure = "warm_up", LedgerError("gone for a moment")
    number = stand.executor().begin("2", "run").number
    with pytest.raises(LedgerError):
        stand.executor().run(number)
    assert stand.releases.get(number).status == Status.RUNNING
    stand.fails_at = ""
    stand.release("2")
    assert stand.releases.get(number).status == Status.DONE


def test_a_version_that_replaces_itself_keeps_its_way_back(stand: Stand) -> None:
    stand.release("1")
    stand.release("2")
    stand.backend.ill = {GREEN}
    stand.release("2")
    endpoint = stand.releases.endpoint("orders")
    assert endpoint is not None
    assert (endpoint.colour, endpoint.version, endpoint.previous_version) == (BLUE, "2", "1")


def test_one_release_a_pipeline(stand: Stand) -> None:
    stand.executor().begin("1", "run")
    with pytest.raises(LedgerError, match="a release is running already"):
        stand.releases.begin("orders", "2", "blue", {}, "run", stand.now)
