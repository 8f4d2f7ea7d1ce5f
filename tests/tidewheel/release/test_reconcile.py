"""Registry, ledger and router brought into agreement: whatever they say, one reconcile is enough."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tidewheel.release.reconcile import (
    MoveAlias,
    Point,
    ReleaseVersion,
    Repair,
    Resume,
    Route,
    Situation,
    Stop,
    reconcile,
)
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic

BLUE, GREEN = Colour.BLUE, Colour.GREEN
AGREED = Situation(champion="2", colour=GREEN, version="2", traffic=Traffic(GREEN), started={GREEN: "2"})


def sentences(situation: Situation) -> list[str]:
    return [str(repair) for repair in reconcile(situation)]


def test_where_all_agree_nothing_is_repaired() -> None:
    assert reconcile(AGREED) == []
    assert reconcile(Situation()) == []


def test_a_reviewer_who_moved_the_alias_gets_that_version() -> None:
    moved = replace(AGREED, champion="1")
    assert reconcile(moved) == [ReleaseVersion("1", "version 1 is champion, version 2 answers")]
    assert sentences(Situation(champion="1")) == ["nothing answers: release version 1"]


def test_a_version_that_was_taken_back_is_not_released_again_and_the_alias_names_what_answers() -> None:
    bad = replace(AGREED, champion="3", given_up={"3": "5% of its requests failed"})
    assert sentences(bad) == [
        "version 3 is champion, but was taken back (5% of its requests failed): champion is version 2 again"
    ]


def test_a_release_without_its_process_comes_first() -> None:
    assert reconcile(replace(AGREED, champion="3", release=7)) == [Resume(7)]


def test_the_router_follows_the_ledger_and_what_is_left_over_is_stopped() -> None:
    torn = replace(AGREED, traffic=Traffic(BLUE), started={BLUE: "1", GREEN: "2"})
    assert reconcile(torn) == [Route(GREEN, Traffic(BLUE)), Stop(BLUE, "1")]
    split = replace(torn, traffic=Traffic(GREEN, share=10))
    assert sentences(split)[0] == "the router sends requests to 90% to green, 10% to blue: send all of them to green"


def test_the_ledger_learns_of_what_answers_where_what_it_names_does_not_run() -> None:
    found = Situation(champion="1", colour=GREEN, version="2", traffic=Traffic(BLUE), started={BLUE: "1"})
    assert reconcile(found) == [Point(BLUE, "1")]


def test_what_shall_answer_and_does_not_run_is_released_again() -> None:
    assert sentences(replace(AGREED, traffic=Traffic(), started={})) == ["nothing answers: release version 2"]


versions = st.sampled_from(["1", "2", "3"])
ledgers = st.none() | st.tuples(st.sampled_from(Colour), versions)
routers = st.builds(Traffic, st.none() | st.sampled_from(Colour), st.sampled_from([0, 10]), st.booleans())
running = st.dictionaries(st.sampled_from(Colour), versions)


@settings(deadline=None)
@given(champion=st.none() | versions, ledger=ledgers, router=routers, started=running, bad=st.sets(versions))
def test_after_one_reconcile_there_is_nothing_left_to_repair_and_what_answers_was_never_stopped(
    champion: str | None,
    ledger: tuple[Colour, str] | None,
    router: Traffic,
    started: dict[Colour, str],
    bad: set[str],
) -> None:
    colour, version = ledger or (None, None)
    found = Situation(champion, colour, version, router, started, given_up=dict.fromkeys(bad, "it failed"))
    for repair in reconcile(found):
        assert not isinstance(repair, Stop) or repair.colour not in found.traffic.reached & found.started.keys()
        found = made(found, repair)
    assert reconcile(found) == []


def made(situation: Situation, repair: Repair) -> Situation:
    """What is found once a repair has been made."""
    match repair:
        case Route(colour):
            return replace(situation, traffic=Traffic(colour))
        case Point(colour, version):
            return replace(situation, colour=colour, version=version)
        case Stop(colour):
            return replace(situation, started={c: v for c, v in situation.started.items() if c is not colour})
        case MoveAlias(version):
            return replace(situation, champion=version)
        case ReleaseVersion(version):
            return Situation(version, BLUE, version, Traffic(BLUE), {BLUE: version})
        case Resume():
            return replace(situation, release=None)
