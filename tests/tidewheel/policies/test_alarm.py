"""When a figure that moves every day has moved too far."""

from __future__ import annotations

import math

import numpy as np

from tidewheel.policies.alarm import AlarmPolicy, Series

CALM = tuple(np.random.default_rng(0).gamma(4, 0.01, size=28))


def series(*checks: float, least: float = 0.1, name: str = "price", history: tuple[float, ...] = CALM) -> Series:
    return Series(name, history, checks, least)


def test_one_day_stands_out_two_of_three_are_an_alarm() -> None:
    policy = AlarmPolicy(confirmations=2)
    [once] = policy.judge([series(0.04, 0.04, 0.5)])
    [twice] = policy.judge([series(0.04, 0.5, 0.5)])
    [over] = policy.judge([series(0.5, 0.04, 0.04)])
    assert (once.beyond, once.confirmed) == ((False, False, True), False)
    assert twice.confirmed
    assert not over.confirmed
    assert 0.1 <= twice.limit < 0.5
    assert twice.probability < 0.01


def test_what_is_significant_and_too_small_to_matter_is_no_alarm() -> None:
    [found] = AlarmPolicy().judge([series(0.5, 0.5, 0.5, least=0.6)])
    assert not any(found.beyond)


def test_what_moves_every_day_must_move_further() -> None:
    restless = tuple(np.random.default_rng(1).gamma(4, 0.2, size=28))
    [found] = AlarmPolicy().judge([series(0.9, 0.9, 0.9, history=restless)])
    assert not found.confirmed


def test_among_many_columns_more_is_asked_of_each() -> None:
    others = [series(0.04, 0.04, 0.04, name=f"column {n}") for n in range(400)]
    alone = AlarmPolicy().judge([series(0.5, 0.5, 0.15, least=0.01)])[0].limit
    among = AlarmPolicy().judge([series(0.5, 0.5, 0.15, least=0.01), *others])[0].limit
    assert among > alone


def test_without_history_nothing_is_found_but_what_is_certain() -> None:
    young = Series("price", (0.04,) * 4, (0.5, 0.5, 0.5), 0.1)
    certain = Series("carrier", (), (0.1, 0.1, 0.1), 0.1, (True, True, True))
    found = AlarmPolicy().judge([young, certain])
    assert [one.confirmed for one in found] == [False, True]


def test_days_that_were_not_measured_are_left_out() -> None:
    [found] = AlarmPolicy().judge([series(math.nan, 0.5, math.nan, history=(*CALM, math.nan))])
    assert found.beyond == (False, True, False)


def test_an_infinite_distance_is_far_and_says_nothing_of_what_is_usual() -> None:
    [found] = AlarmPolicy().judge([series(math.inf, math.inf, 0.5, history=(*CALM, math.inf))])
    assert found.beyond == (True, True, True)
    assert math.isfinite(found.limit)


def test_a_linear_figure_is_held_against_its_mean() -> None:
    history = tuple(np.random.default_rng(2).normal(-0.5, 0.02, size=28))
    [found] = AlarmPolicy().judge([series(-0.2, -0.2, -0.2, history=history)])
    assert found.confirmed
