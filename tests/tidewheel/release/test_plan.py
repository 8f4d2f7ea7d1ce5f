"""A plan is a list of stages, decided from what answers, what is wanted and the spec; nothing is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_models import pipeline
from tidewheel.release.plan import Live, State, explain, plan
from tidewheel.release.stages import (
    PLAN,
    STAGE_NAMES,
    AwaitReady,
    Colour,
    Confirm,
    Drain,
    Package,
    Retire,
    StartIdle,
    Switch,
    VerifyParity,
    WarmUp,
    stage_from_json,
    stage_to_json,
)
from tidewheel.spec import Pipeline

BLUE, GREEN = Colour.BLUE, Colour.GREEN


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return pipeline(tmp_path_factory.mktemp("pipeline"))


def test_a_first_release_goes_to_blue_and_has_nothing_to_drain(spec: Pipeline) -> None:
    assert plan(State(), "1", spec) == [
        Package("1"),
        StartIdle(BLUE, "1"),
        AwaitReady(BLUE, 60),
        WarmUp(BLUE, 50),
        VerifyParity(BLUE, 1e-5),
        Switch(BLUE, "1"),
        Confirm(BLUE, "1"),
    ]


def test_a_new_version_goes_to_the_idle_colour_and_the_old_one_is_drained_before_it_is_stopped(spec: Pipeline) -> None:
    assert plan(State(Live(BLUE, "1")), "2", spec) == [
        Package("2"),
        StartIdle(GREEN, "2"),
        AwaitReady(GREEN, 60),
        WarmUp(GREEN, 50),
        VerifyParity(GREEN, 1e-5),
        Switch(GREEN, "2"),
        Confirm(GREEN, "2"),
        Drain(BLUE, 5),
        Retire(BLUE),
    ]


def test_what_is_live_and_healthy_needs_nothing(spec: Pipeline) -> None:
    state = State(Live(GREEN, "2"))
    assert plan(state, "2", spec) == []
    assert explain(state, "2", []) == "version 2 is live as green and healthy: nothing to do"


def test_what_is_live_and_ill_is_replaced_by_itself_in_the_other_colour(spec: Pipeline) -> None:
    state = State(Live(GREEN, "2", healthy=False))
    stages = plan(state, "2", spec)
    assert stages[1] == StartIdle(BLUE, "2")
    assert stages[-1] == Retire(GREEN)
    assert explain(state, "2", stages) == (
        "version 2 as blue takes over from version 2 as green, which does not answer,"
    )


lives = st.none() | st.builds(Live, st.sampled_from(Colour), st.sampled_from(["1", "2"]), st.booleans())


@given(live=lives, wanted=st.sampled_from(["1", "2"]))
def test_no_plan_touches_the_live_colour_before_all_requests_have_left_it(
    spec: Pipeline, live: Live | None, wanted: str
) -> None:
    stages = plan(State(live), wanted, spec)
    names = [stage.name for stage in stages]
    assert [name for name in STAGE_NAMES if name in names] == names, "stages run in the order of STAGE_NAMES"
    if live is not None and stages:
        confirmed = names.index("confirm")
        touched = [n for n, stage in enumerate(stages) if getattr(stage, "colour", None) is live.colour]
        assert touched == [confirmed + 1, confirmed + 2]


@given(live=lives, wanted=st.sampled_from(["1", "2"]))
def test_stages_survive_the_ledger(spec: Pipeline, live: Live | None, wanted: str) -> None:
    stages = plan(State(live), wanted, spec)
    assert [stage_from_json(stage_to_json(stage)) for stage in stages] == stages


def test_the_steps_of_a_release_are_named_in_order() -> None:
    assert STAGE_NAMES == (
        PLAN,
        "package",
        "start",
        "ready",
        "warm_up",
        "parity",
        "switch",
        "confirm",
        "drain",
        "retire",
    )
