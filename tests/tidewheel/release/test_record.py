"""The owner of a release's state: what it says is live, what it notes, and which versions are still needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tidewheel.release.conftest import Stand
from tidewheel import release as package
from tidewheel.errors import ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.release import Colour
from tidewheel.release.record import RecordedRelease, ReleaseRecord
from tidewheel.release.stages import AskedBack, StageResult, Switch

BLUE, GREEN = Colour.BLUE, Colour.GREEN


@pytest.fixture
def record(stand: Stand) -> ReleaseRecord:
    stand.bakes_for(0)
    return ReleaseRecord(stand.releases, "orders")


def begun(stand: Stand, version: str) -> RecordedRelease:
    """A release of which no stage has run."""
    return stand.executor().begin(version, "run")


def live(record: ReleaseRecord) -> tuple[str, str, str | None] | None:
    endpoint = record.endpoint()
    return (endpoint.colour, endpoint.version, endpoint.previous_version) if endpoint else None


def test_nothing_is_in_use_before_the_first_release(record: ReleaseRecord) -> None:
    assert record.versions_in_use() == set()
    assert record.running() is None


def test_what_answers_what_is_released_and_the_ways_back_of_both_are_in_use(
    stand: Stand, record: ReleaseRecord
) -> None:
    for version in ("1", "2", "3"):
        stand.release(version)
    assert record.versions_in_use() == {"2", "3"}
    begun(stand, "4")
    assert record.versions_in_use() == {"2", "3", "4"}


def test_a_switch_is_undone_once_and_only_if_it_was_made(stand: Stand, record: ReleaseRecord) -> None:
    stand.release("1")
    stand.release("2")
    third = begun(stand, "3")
    record.switch_back(third)
    assert live(record) == (GREEN, "2", "1"), "it has not switched"

    record.switch(third)
    assert live(record) == (BLUE, "3", "2")
    for _ in range(2):
        record.switch_back(third)
        assert live(record) == (GREEN, "2", "1")


def test_the_first_switch_is_undone_to_nothing(stand: Stand, record: ReleaseRecord) -> None:
    first = begun(stand, "1")
    record.switch(first)
    assert live(record) == (BLUE, "1", None)
    record.switch_back(first)
    assert live(record) is None


def test_a_release_of_what_is_live_ends_at_once(stand: Stand, record: ReleaseRecord) -> None:
    stand.release("1")
    again = begun(stand, "1")
    assert (again.stages, again.colour, again.status) == ((), BLUE, Status.DONE)
    assert record.running() is None


def test_a_stage_is_noted_with_what_it_did_and_the_last_one_ends_the_release(
    stand: Stand, record: ReleaseRecord
) -> None:
    release = begun(stand, "1")
    switch = release.position("switch")
    assert switch is not None
    record.stage_began(release, switch)
    assert (record.present_stage(release), record.detail(release, Switch)) == ("switch", {})
    assert record.has_reached(release, Switch)

    record.stage_done(release, switch, StageResult("switched", {"seconds": 1}))
    assert record.detail(release, Switch) == {"sentence": "switched", "seconds": 1}
    assert (record.present_stage(release), record.done(release)) == ("", {switch})

    last = len(release.stages) - 1
    record.stage_began(release, last)
    record.stage_done(release, last, StageResult("over", {}))
    assert record.get(release.number).status == Status.DONE


def test_a_stage_that_begins_sees_the_request_to_go_back_until_the_old_colour_drains(
    stand: Stand, record: ReleaseRecord
) -> None:
    stand.release("1")
    release = begun(stand, "2")
    record.request_rollback(release, "anna: complaints")
    with pytest.raises(AskedBack, match="taken back by hand: anna: complaints"):
        record.stage_began(release, 0)
    drain = release.position("drain")
    assert drain is not None
    record.stage_began(release, drain)


def test_a_failed_stage_names_the_kind_of_error(stand: Stand, record: ReleaseRecord) -> None:
    release = begun(stand, "1")
    record.stage_began(release, 0)
    record.stage_failed(release, 0, ReleaseError("no compiler"), {"back_after_seconds": 0.1})
    [row] = stand.releases.stages(release.number)
    assert row.detail == {"sentence": "no compiler", "error": "ReleaseError", "back_after_seconds": 0.1}


def test_versions_whose_newest_release_failed_are_given_up(stand: Stand, record: ReleaseRecord) -> None:
    stand.release("1")
    for version in ("2", "3"):
        stand.fails_at = "start"
        with pytest.raises(ReleaseError):
            stand.release(version)
    stand.fails_at = ""
    stand.release("3")
    assert list(record.given_up()) == ["2"]


def test_no_other_part_of_a_release_calls_the_ledger() -> None:
    call = re.compile(r"(releases|ledger)\.[a-z_]+\(")
    files = Path(package.__file__).parent.glob("*.py")
    assert [file.name for file in files if call.search(file.read_text(encoding="utf-8"))] == ["record.py"]
