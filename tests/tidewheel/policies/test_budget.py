"""The budget of trainings: fits, or seconds of CPU, at a steady rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tidewheel.policies.test_trigger import CALM, TODAY, before, declared, fires, fires_after, quality, sentence
from tidewheel.errors import SpecError
from tidewheel.policies.trigger.attempts import Attempt, Ended
from tidewheel.policies.verdict import Outcome


def test_fits_come_at_a_steady_rate_and_what_was_rejected_is_paid_for(tmp_path: Path) -> None:
    policy = declared("{maximum_age_days: 5, budget: {fits: 2, days: 30, burst: 1}}", tmp_path)
    used = (Attempt(before(70), Ended.PROMOTED), Attempt(before(12), Ended.REJECTED))
    assert sentence(policy, replace(CALM, attempts=used)).endswith(
        "but the budget is used up (one fit in 15 days, at most 1 saved): the next in 3 days"
    )
    assert [fires_after(policy, replace(CALM, attempts=used)), fires_after(policy, CALM)] == [3, 0]


def test_quiet_times_save_fits_and_a_refit_takes_two(tmp_path: Path) -> None:
    policy = declared("{data: {growth: 0.1}, budget: {fits: 1, days: 20, burst: 3}}", tmp_path)
    first, second = Attempt(before(90), Ended.PROMOTED), Attempt(before(10), Ended.PROMOTED)
    grown = replace(CALM, new_rows=40_000, attempts=(first, second))
    assert policy.decide(grown).outcome is Outcome.FIRED  # three were saved, two are left
    assert policy.decide(grown).inputs["fits_saved"] == 2.5
    spent = replace(grown, attempts=(first, replace(second, fits=2)))
    assert sentence(policy, spent).endswith(
        "but the budget is used up (one fit in 20 days, at most 3 saved, 1 of them left to alarms): the next in 10 days"
    )
    assert policy.decide(replace(spent, quality=quality(0.1))).outcome is Outcome.FIRED  # that one is for alarms
    nothing = replace(spent, attempts=(first, replace(second, fits=3)), quality=quality(0.1))
    assert sentence(policy, nothing).endswith(
        "but the budget is used up (one fit in 20 days, at most 3 saved): the next in 10 days"
    )


def test_a_budget_in_seconds_pays_each_training_by_what_it_took(tmp_path: Path) -> None:
    policy = declared("{maximum_age_days: 5, budget: {cpu_seconds: 60, days: 30, burst: 1}}", tmp_path)
    first = Attempt(before(70), Ended.PROMOTED, cpu_seconds=30)
    used = replace(CALM, attempts=(first, Attempt(before(12), Ended.REJECTED, cpu_seconds=30)))
    assert sentence(policy, used).endswith(
        "but the budget is used up (60 CPU seconds in 30 days, and a training takes about 30; at most 1 training "
        "saved): the next in 3 days"
    )
    left = policy.decide(used).inputs
    assert (left["fits_saved"], left["cpu_seconds_saved"], left["cpu_seconds_a_training"]) == (None, 24, 30)
    cheap = replace(CALM, attempts=(first, Attempt(before(12), Ended.REJECTED, cpu_seconds=10)))
    assert fires(policy, cheap)  # a training takes 20 by then, and the second took half of one


def test_a_budget_in_seconds_holds_nothing_until_a_cost_is_known_and_takes_unknown_ones_for_usual(
    tmp_path: Path,
) -> None:
    policy = declared("{maximum_age_days: 5, budget: {cpu_seconds: 60, days: 30, burst: 1}}", tmp_path)
    old = (Attempt(before(70), Ended.PROMOTED), Attempt(before(8), Ended.REJECTED))
    measured = replace(CALM, attempts=old)
    assert fires(policy, measured)
    assert policy.decide(measured).inputs["cpu_seconds_saved"] is None
    known = replace(CALM, attempts=(replace(old[0], cpu_seconds=30), old[1]))
    assert policy.decide(known).inputs["cpu_seconds_saved"] == pytest.approx(16)  # eight days' worth
    assert "the next in 7 days" in sentence(policy, known)


def test_a_budget_has_one_unit(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"fits is 4 and cpu_seconds is 60: a budget has one unit, leave out either"):
        declared("{budget: {fits: 4, cpu_seconds: 60}}", tmp_path)
    with pytest.raises(SpecError, match=r"give fits or cpu_seconds, or set triggers.budget to null"):
        declared("{budget: {fits: null}}", tmp_path)


def test_a_steady_need_is_met_evenly_and_never_above_the_rate(tmp_path: Path) -> None:
    default = declared("{}", tmp_path)
    measured, trained = replace(CALM, quality=quality(0.1), attempts=(Attempt(before(90), Ended.PROMOTED),)), []
    for day in range(420):
        today = TODAY + timedelta(days=day)
        moved = tuple(replace(q, day=q.day + timedelta(days=day)) for q in measured.quality)
        if default.decide(replace(measured, today=today, quality=moved)).outcome is Outcome.FIRED:
            trained.append(day)
            done = Attempt(today, Ended.PROMOTED)
            measured = replace(measured, attempts=(*measured.attempts, done))
    assert trained == [0, 7, 14, *range(21, 420, 21)]


def test_what_persons_train_is_paid_for_but_silences_the_policy_no_longer_than_a_burst(tmp_path: Path) -> None:
    default = declared("{}", tmp_path)
    by_hand = (Attempt(before(90), Ended.PROMOTED), *[Attempt(before(0), Ended.PROMOTED)] * 10)
    old = replace(CALM, champion_as_of=before(300), attempts=by_hand)
    assert fires_after(default, old) == 4 * 21
