"""A plan is a list of stages, decided from what answers, what is wanted and the spec; nothing is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_models import pipeline
from tidewheel.release.plan import EndpointState, Live, explain, guard_policy, plan, stage_names
from tidewheel.release.stages import (
    PLAN,
    AwaitReady,
    Bake,
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
from tidewheel.spec.release import Release
from tidewheel.spec.serving import Replicas

BLUE, GREEN = Colour.BLUE, Colour.GREEN


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return pipeline(tmp_path_factory.mktemp("pipeline"))


def test_a_first_release_goes_to_blue_and_has_nothing_to_compare_with_or_to_drain(spec: Pipeline) -> None:
    assert plan(EndpointState(), "1", spec) == [
        Package("1"),
        StartIdle(BLUE, "1"),
        AwaitReady(BLUE, 60),
        WarmUp(BLUE, 50, 1024),
        VerifyParity(BLUE, 1e-5, None, guard_policy(spec)),
        Switch(BLUE, "1"),
        Confirm(BLUE, "1"),
    ]


def test_a_change_of_the_replicas_alone_is_a_release_of_the_same_version(spec: Pipeline) -> None:
    serving = spec.serving.model_copy(update={"replicas": Replicas(minimum=3)})
    more = spec.model_copy(update={"serving": serving})
    state = EndpointState(Live(BLUE, "1", replicas=1))
    stages = plan(state, "1", more)
    assert StartIdle(GREEN, "1", 3) in stages
    assert WarmUp(GREEN, 50, 3 * 1024) in stages, "each replica has the memory of one"
    assert explain(state, "1", stages) == (
        "version 1 as green takes over from version 1 as blue, with 3 instead of 1 replicas"
    )
    assert plan(EndpointState(Live(BLUE, "1", replicas=3)), "1", more) == []


def test_a_change_of_the_most_replicas_alone_is_one_too_where_something_scales(spec: Pipeline) -> None:
    serving = spec.serving.model_copy(update={"replicas": Replicas(minimum=1, maximum=6)})
    more = spec.model_copy(update={"serving": serving})
    assert StartIdle(GREEN, "1", 1) in plan(EndpointState(Live(BLUE, "1", maximum=3)), "1", more)
    assert plan(EndpointState(Live(BLUE, "1", maximum=6)), "1", more) == []
    assert plan(EndpointState(Live(BLUE, "1", maximum=None)), "1", more) == []


def test_a_plan_from_before_replicas_starts_one() -> None:
    assert stage_from_json({"stage": "start", "colour": "blue", "version": "1"}) == StartIdle(BLUE, "1", 1)


def test_a_new_version_bakes_beside_the_old_one_which_is_then_drained_and_stopped(spec: Pipeline) -> None:
    assert plan(EndpointState(Live(BLUE, "1")), "2", spec) == [
        Package("2"),
        StartIdle(GREEN, "2"),
        AwaitReady(GREEN, 60),
        WarmUp(GREEN, 50, 1024),
        VerifyParity(GREEN, 1e-5, BLUE, guard_policy(spec)),
        Switch(GREEN, "2"),
        Confirm(GREEN, "2"),
        Bake(GREEN, BLUE, 6, 2, guard_policy(spec)),
        Drain(BLUE, 5),
        Retire(BLUE),
    ]


def released_by(spec: Pipeline, **release: object) -> Pipeline:
    return spec.model_copy(update={"release": Release.model_validate(release)})


def test_a_canary_moves_the_traffic_in_steps_before_the_switch(spec: Pipeline) -> None:
    steps = [{"share": 5, "bake_seconds": 10}, {"share": 50}]
    canary = released_by(spec, strategy={"kind": "canary", "steps": steps})
    stages = plan(EndpointState(Live(BLUE, "1")), "2", canary)
    assert [str(stage) for stage in stages[5:8]] == [
        "route 5% of the requests to green for 10 s under the guard",
        "route 50% of the requests to green for 60 s under the guard",
        "route all traffic to green (version 2)",
    ]
    assert stage_names(canary)[5:9] == ("parity", "canary_5", "canary_50", "switch")
    assert [stage_from_json(stage_to_json(stage)) for stage in stages] == stages


def test_a_shadow_is_compared_before_it_answers_anybody(spec: Pipeline) -> None:
    shadow = released_by(spec, strategy={"kind": "shadow", "seconds": 30})
    stages = plan(EndpointState(Live(BLUE, "1")), "2", shadow)
    assert str(stages[5]) == "mirror all requests to green for 30 s under the guard; blue answers"
    assert [stage_from_json(stage_to_json(stage)) for stage in stages] == stages


@pytest.mark.parametrize("state", [EndpointState(), EndpointState(Live(BLUE, "1", healthy=False))])
def test_beside_nothing_or_a_version_that_does_not_answer_there_is_no_bake_and_no_canary(
    spec: Pipeline, state: EndpointState
) -> None:
    canary = released_by(spec, strategy={"kind": "canary", "steps": [{"share": 5}]})
    assert not {"bake", "canary_5"} & {stage.name for stage in plan(state, "2", canary)}


def test_what_is_live_and_healthy_needs_nothing(spec: Pipeline) -> None:
    state = EndpointState(Live(GREEN, "2"))
    assert plan(state, "2", spec) == []
    assert explain(state, "2", []) == "version 2 is live as green and healthy: nothing to do"


def test_what_is_live_and_ill_is_replaced_by_itself_in_the_other_colour(spec: Pipeline) -> None:
    state = EndpointState(Live(GREEN, "2", healthy=False))
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
    stages = plan(EndpointState(live), wanted, spec)
    names = [stage.name for stage in stages]
    assert [name for name in stage_names(spec) if name in names] == names, "stages run in the order of their names"
    if live is not None and stages:
        proven = max(names.index("confirm"), names.index("bake") if "bake" in names else 0)
        touched = [n for n, stage in enumerate(stages) if getattr(stage, "colour", None) is live.colour]
        assert touched == [proven + 1, proven + 2]


@given(live=lives, wanted=st.sampled_from(["1", "2"]))
def test_stages_survive_the_ledger(spec: Pipeline, live: Live | None, wanted: str) -> None:
    stages = plan(EndpointState(live), wanted, spec)
    assert [stage_from_json(stage_to_json(stage)) for stage in stages] == stages


def test_the_steps_of_a_release_are_named_in_order(spec: Pipeline) -> None:
    assert stage_names(spec) == (
        PLAN,
        "package",
        "start",
        "ready",
        "warm_up",
        "parity",
        "switch",
        "confirm",
        "bake",
        "drain",
        "retire",
    )
