"""The executor's decisions: what it writes down, what it takes back, who may go on."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from tests.tidewheel.release.conftest import Stand
from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.locks import Busy
from tidewheel.ledger.releases import Status
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.release import Colour, stage_names
from tidewheel.release.reconcile import MoveAlias, ReleaseVersion, Resume
from tidewheel.release.rollback import rolled_back
from tidewheel.release.traffic import Traffic
from tidewheel.spec.release import Release

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def test_a_release_writes_down_each_stage_with_a_sentence(stand: Stand) -> None:
    number = stand.release("1")
    stages = stand.releases.stages(number)
    assert [stage.name for stage in stages] == list(stage_names(stand.pipeline)[1:-3])
    assert all(stage.status == Status.DONE and stage.detail["sentence"] for stage in stages)
    assert stand.releases.get(number).status == Status.DONE


def test_each_stage_may_be_run_by_another_process(stand: Stand) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    for name in stage_names(stand.pipeline):
        stand.executor().run_stage(number, name)
    assert stand.backend.traffic() == Traffic(GREEN)
    assert stand.backend.running == {GREEN: "2"}


def test_a_stage_that_is_done_or_not_planned_is_left_alone(stand: Stand) -> None:
    number = stand.release("1")
    happened = list(stand.backend.happened)
    assert stand.executor().run_stage(number, "start").sentence == "start was done before"
    assert stand.executor().run_stage(number, "drain").sentence.startswith("drain is not part of this plan: first ")
    assert stand.backend.happened == happened


@pytest.mark.parametrize("stage", ["warm_up", "parity"])
def test_a_new_version_that_does_not_answer_for_a_moment_is_waited_for_once(stand: Stand, stage: str) -> None:
    number = stand.executor().begin("1", "run").number
    for name in stage_names(stand.pipeline):
        if name == stage:
            stand.backend.lacks = ["0 of 1 pods are ready"] * 2
            stand.backend.cuts = 1
        stand.executor().run_stage(number, name)
    assert stand.releases.get(number).status == Status.DONE
    assert stand.backend.lacks == [], "it was ready again before it was tried again"

    stand.backend.cuts = 2
    with pytest.raises(ReleaseError, match=r"stage warm_up failed: .*/green/predict does not answer"):
        stand.release("2")


def test_a_version_is_ready_when_its_own_address_is_answered(stand: Stand) -> None:
    number = stand.executor().begin("1", "run").number
    for name in ("package", "start"):
        stand.executor().run_stage(number, name)
    stand.backend.lag = 3
    stand.executor().run_stage(number, "ready")
    assert stand.backend.lag == 0


def test_a_version_whose_address_nobody_answers_is_not_ready(stand: Stand) -> None:
    stand.backend.lag = 1_000_000
    release = stand.pipeline.release.model_copy(update={"ready_timeout_seconds": 0.5})
    stand.pipeline = stand.pipeline.model_copy(update={"release": release})
    with pytest.raises(ReleaseError, match=r"blue is not ready after 0\.5 s: http://.*/blue does not answer"):
        stand.release("1")


def test_a_stage_never_runs_before_those_in_front_of_it(stand: Stand) -> None:
    number = stand.executor().begin("1", "run").number
    with pytest.raises(ReleaseError, match="switch of release 1 comes after package, start, ready, warm_up, parity"):
        stand.executor().run_stage(number, "switch")


@pytest.mark.parametrize("stage", ["package", "start", "ready", "warm_up", "parity", "switch", "confirm", "bake"])
def test_a_failure_before_the_drain_leaves_the_old_version_live_and_nothing_else_running(
    stand: Stand, stage: str
) -> None:
    stand.release("1")
    stand.release("2")
    stand.fails_at = stage
    with pytest.raises(ReleaseError, match=f"stage {stage} failed: as told"):
        stand.release("3")
    assert stand.backend.traffic() == Traffic(GREEN)
    assert stand.backend.running == {GREEN: "2"}
    endpoint = stand.releases.endpoint("orders")
    assert endpoint is not None
    assert (endpoint.colour, endpoint.version, endpoint.previous_version) == (GREEN, "2", "1")
    newest = stand.releases.newest("orders")[0]
    assert (newest.status, newest.reason) == (
        Status.FAILED,
        f"{stage}: as told (blue is stopped; version 2 answers as green)",
    )
    assert went_back(stand) is (stage in ("switch", "confirm", "bake"))
    stand.fails_at = ""
    stand.release("3")
    assert stand.backend.running == {BLUE: "3"}


def went_back(stand: Stand) -> bool:
    """Whether the newest release was rolled back: it had answered callers, and another version does so again."""
    [newest] = stand.releases.newest("orders", 1)
    with stand.releases.ledger.session() as session:
        return newest.id in rolled_back(session, [newest.id])


def test_a_first_release_that_fails_leaves_nothing(stand: Stand) -> None:
    stand.fails_at = "confirm"
    with pytest.raises(ReleaseError):
        stand.release("1")
    assert not went_back(stand)
    assert stand.backend.traffic() == Traffic()
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
    assert stand.backend.traffic() == Traffic(GREEN)
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
    names = stage_names(stand.pipeline)
    for name in names[: names.index("switch") + 1]:
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


def test_scores_that_are_all_alike_are_refused_before_anybody_gets_them(stand: Stand) -> None:
    stand.release("1")
    stand.write_golden([0.5] * 20)
    stand.backend.scores["2"] = [0.5] * 20
    with pytest.raises(ReleaseError, match=r"version 2 says 0\.5 to all 20 rows, version 1 0 to 0\.95"):
        stand.release("2")
    assert "route to green" not in stand.backend.happened


def test_a_version_whose_answer_to_a_row_depends_on_the_others_is_refused(stand: Stand) -> None:
    stand.release("1")
    stand.write_golden([(n + 1) / 20 for n in range(20)])
    stand.backend.ranking.add("2")
    alone = r"green answers 1 for golden row 0 alone, and 0\.05 among the others: apart by 0\.95"
    with pytest.raises(ReleaseError, match=alone):
        stand.release("2")
    assert "route to green" not in stand.backend.happened


def test_a_version_that_errs_while_it_bakes_is_taken_back_and_the_ledger_says_why(stand: Stand) -> None:
    stand.release("1")
    stand.falls_ill_after = "confirm"
    stand.bakes_for(60)  # a slow machine must not end it with its first window
    with pytest.raises(ReleaseError, match="golden rows to version 2 failed"):
        stand.release("2")
    assert stand.backend.traffic() == Traffic(BLUE)
    assert stand.backend.running == {BLUE: "1"}
    [verdict] = stand.releases.ledger.verdicts("orders", Kind.RELEASE)
    assert (verdict.outcome, verdict.subject) == (Outcome.ROLLED_BACK, "version 2 in bake")
    assert verdict.sentence.endswith("1.0% more are allowed (2 windows in a row)")
    bake = next(row for row in stand.releases.stages(2) if row.name == "bake")
    assert bake.detail["back_after_seconds"] < 30
    again = stand.executor().begin("2", "again")
    assert again.number == 3, "a person may try again"


@pytest.mark.parametrize(("choice", "ends"), [("roll_back", Status.FAILED), ("keep", Status.DONE)])
def test_figures_that_are_missing_count_as_the_pipeline_says(stand: Stand, choice: str, ends: Status) -> None:
    guard = stand.pipeline.release.guard.model_copy(update={"when_inconclusive": choice, "patience_seconds": 0})
    release = stand.pipeline.release.model_copy(update={"guard": guard})
    stand.pipeline = stand.pipeline.model_copy(update={"release": release})
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    for name in ("package", "start", "ready", "warm_up", "parity", "switch", "confirm"):
        stand.executor().run_stage(number, name)
    stand.backend.figures = False
    with contextlib.suppress(ReleaseError):
        stand.executor().run(number)
    assert stand.releases.get(number).status == ends
    [verdict] = stand.releases.ledger.verdicts("orders", Kind.RELEASE)
    assert "the router's figures are missing" in verdict.sentence


@pytest.mark.parametrize("strategy", [{"kind": "shadow", "seconds": 0.2}, {"kind": "canary", "steps": [{"share": 10}]}])
def test_a_version_that_is_bad_beside_the_old_one_never_gets_all_requests(
    stand: Stand, strategy: dict[str, object]
) -> None:
    stand.release("1")
    release = stand.pipeline.release.model_dump() | {"strategy": strategy}
    stand.pipeline = stand.pipeline.model_copy(update={"release": Release.model_validate(release)})
    stand.falls_ill_after = "parity"
    with pytest.raises(ReleaseError, match="golden rows to version 2 failed"):
        stand.release("2")
    assert "route to green" not in stand.backend.happened
    assert any(event.startswith("route to blue, mirr") or "10%" in event for event in stand.backend.happened)
    assert stand.backend.traffic() == Traffic(BLUE)


def test_an_operator_takes_a_bake_back_that_another_process_watches(stand: Stand) -> None:
    stand.release("1")
    stand.bakes_for(30)
    number = stand.executor().begin("2", "run").number
    for name in ("package", "start", "ready", "warm_up", "parity", "switch", "confirm"):
        stand.executor().run_stage(number, name)
    with ThreadPoolExecutor(1) as thread:
        baking = thread.submit(stand.executor().run, number)
        stand.releases.ask_back(number, "anna: complaints")
        with pytest.raises(ReleaseError, match="anna: complaints"):
            baking.result(10)
    assert stand.backend.traffic() == Traffic(BLUE)
    assert stand.releases.get(number).reason.startswith("bake: taken back by hand: anna: complaints (green is stopped")
    [verdict] = stand.releases.ledger.verdicts("orders", Kind.RELEASE)
    assert (verdict.outcome, verdict.sentence) == (Outcome.ROLLED_BACK, "taken back by hand: anna: complaints")


def test_a_wish_that_comes_before_the_switch_is_heeded_by_the_next_stage(stand: Stand) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    stand.executor().run_stage(number, "package")
    stand.releases.ask_back(number, "anna: not today")
    with pytest.raises(ReleaseError, match="anna: not today"):
        stand.executor().run_stage(number, "start")
    assert "route to green" not in stand.backend.happened
    assert stand.backend.running == {BLUE: "1"}
    assert stand.releases.get(number).status == Status.FAILED


def test_an_operator_takes_a_release_back_that_no_process_works_on(stand: Stand) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    for name in ("package", "start", "ready", "warm_up", "parity", "switch"):
        stand.executor().run_stage(number, name)
    assert str(stand.executor().roll_back("no")).startswith("version 2 is taken back: version 1 answers after ")
    assert stand.backend.running == {BLUE: "1"}
    endpoint = stand.releases.endpoint("orders")
    assert endpoint is not None
    assert (endpoint.version, endpoint.colour) == ("1", "blue")
    assert stand.executor().roll_back("no") is None, "nothing is under way any more"


def test_an_operator_does_not_wait_for_ever_for_a_process_that_hangs(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    stand.executor().run_stage(number, "package")
    stand.releases.stage_began(number, 1, "start", stand.now)

    def held(pipeline: str, patience_seconds: float) -> NoReturn:
        raise Busy(pipeline)

    monkeypatch.setattr(stand.releases, "exclusively", held)
    with pytest.raises(Busy, match=r"release 2 of orders \(stage start\) and has not taken version 2 back for 0\.3 s"):
        stand.executor().roll_back("anna: complaints", patience_seconds=0.3)
    assert stand.releases.asked_back(number) == "anna: complaints", "the wish stays"


def test_it_is_too_late_to_take_back_what_drains_the_old_colour(stand: Stand) -> None:
    stand.release("1")
    stand.fails_at = "drain"
    with pytest.raises(ReleaseError):
        stand.release("2")
    stand.fails_at = ""
    assert stand.executor().roll_back("no") is None
    assert stand.backend.running == {GREEN: "2"}


def test_a_release_that_its_process_left_is_brought_to_its_end_by_a_reconcile(stand: Stand) -> None:
    stand.release("1")
    number = stand.executor().begin("2", "run").number
    stand.executor().run_stage(number, "package")
    assert stand.executor().reconcile("2") == [Resume(number)]
    assert stand.backend.running == {GREEN: "2"}
    assert stand.executor().reconcile("2") == []
    assert stand.executor().reconcile("1") == [ReleaseVersion("1", "version 1 is champion, version 2 answers")]


def test_ledger_and_router_are_repaired_by_a_reconcile_and_by_the_next_release(stand: Stand) -> None:
    stand.release("1")
    for repair in (lambda: stand.executor().reconcile("1"), lambda: stand.executor().begin("1", "run")):
        stand.backend.routes = Traffic(BLUE, share=10)
        stand.backend.running[GREEN] = "9"
        repair()
        assert stand.backend.traffic() == Traffic(BLUE)
        assert stand.backend.running == {BLUE: "1"}


def test_a_version_that_was_taken_back_is_not_released_again_by_itself(stand: Stand) -> None:
    stand.release("1")
    stand.fails_at = "parity"
    with pytest.raises(ReleaseError):
        stand.release("2")
    [repair] = stand.executor().reconcile("2")
    assert isinstance(repair, MoveAlias)
    assert repair.version == "1"
