"""The gate as a rule: what passes, what never does, and what stays undecided."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidewheel.policies.gate import Comparison, GateMeasurement, GatePolicy
from tidewheel.policies.verdict import Outcome

POLICY = GatePolicy(metric="log_loss", lower_is_better=True, floors={"roc_auc": 0.6}, ceilings={"log_loss": 0.7})
LOSS = st.floats(0.01, 0.7)
WORSE = st.floats(-0.5, 0.5)


def measured(
    *, loss: float = 0.48, auc: float = 0.72, champion: float | None = 0.48, bound: float = 0.0, days: int = 7
) -> GateMeasurement:
    comparison = None
    if champion is not None:
        comparison = Comparison("1", {"log_loss": champion, "roc_auc": 0.7}, loss - champion, bound)
    return GateMeasurement("2", {"log_loss": loss, "roc_auc": auc}, rows=6312, days=days, comparison=comparison)


def test_a_better_challenger_passes_and_the_sentence_says_by_how_much() -> None:
    verdict = POLICY.decide(measured(loss=0.4812, champion=0.4920, bound=-0.0031))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence == (
        "passed: version 2 has log-loss 0.4812 against 0.4920 of version 1 (difference -0.0108, 95% upper bound "
        "-0.0031, at most +0.0098 is asked) on 6,312 rows of 7 days"
    )


def test_of_a_figure_where_more_is_better_the_sentence_turns_the_sign() -> None:
    policy = GatePolicy(metric="roc_auc", lower_is_better=False)
    comparison = Comparison("1", {"roc_auc": 0.70}, loss_difference=-0.02, upper_bound=-0.01)
    verdict = policy.decide(GateMeasurement("2", {"roc_auc": 0.72}, 6312, 7, comparison))
    assert verdict.outcome is Outcome.PASSED
    assert "(difference +0.0200, 95% lower bound +0.0100, at least -0.0140 is asked)" in verdict.sentence


@given(loss=LOSS)
def test_a_challenger_as_good_as_the_champion_passes_under_the_default_margin(loss: float) -> None:
    assert POLICY.decide(measured(loss=loss, champion=loss, bound=0.0)).outcome is Outcome.PASSED


@given(champion=LOSS, over=st.floats(1e-6, 1))
def test_a_challenger_that_may_be_worse_than_the_margin_never_passes(champion: float, over: float) -> None:
    allowed = POLICY.margin * champion
    verdict = POLICY.decide(measured(loss=champion, champion=champion, bound=allowed + over))
    assert verdict.outcome is Outcome.REFUSED


@given(bound=WORSE, margins=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)))
def test_what_passes_under_a_margin_passes_under_a_wider_one(bound: float, margins: tuple[float, float]) -> None:
    narrow, wide = (dataclasses.replace(POLICY, margin=m).decide(measured(bound=bound)) for m in sorted(margins))
    if narrow.outcome is Outcome.PASSED:
        assert wide.outcome is Outcome.PASSED


@given(auc=st.floats(0, 1), floors=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_what_passes_a_floor_passes_a_lower_one(auc: float, floors: tuple[float, float]) -> None:
    low, high = (
        dataclasses.replace(POLICY, floors={"roc_auc": f}).decide(measured(auc=auc, champion=None))
        for f in sorted(floors)
    )
    if high.outcome is Outcome.PASSED:
        assert low.outcome is Outcome.PASSED


@given(auc=st.floats(0, 0.599))
def test_below_a_floor_nothing_passes_however_much_better_than_the_champion(auc: float) -> None:
    verdict = POLICY.decide(measured(auc=auc, bound=-0.4))
    assert verdict.outcome is Outcome.REFUSED
    assert "below the floor of 0.6" in verdict.sentence


def test_without_a_champion_only_floors_and_ceilings_count() -> None:
    assert POLICY.decide(measured(champion=None)).outcome is Outcome.PASSED
    assert POLICY.decide(measured(champion=None, loss=0.71)).outcome is Outcome.REFUSED


@given(days=st.integers(0, 2), bound=WORSE)
def test_too_few_days_are_inconclusive_whatever_they_show(days: int, bound: float) -> None:
    assert POLICY.decide(measured(days=days, bound=bound)).outcome is Outcome.INCONCLUSIVE


def test_an_unknown_figure_or_bound_is_inconclusive_never_good() -> None:
    assert POLICY.decide(measured(auc=math.nan)).outcome is Outcome.INCONCLUSIVE
    assert POLICY.decide(measured(bound=math.nan)).outcome is Outcome.INCONCLUSIVE


def test_a_champion_that_cannot_be_judged_stays() -> None:
    unjudged = dataclasses.replace(measured(champion=None), incomparable="version 1 wants columns that are gone")
    verdict = POLICY.decide(unjudged)
    assert (verdict.outcome, verdict.sentence) == (
        Outcome.INCONCLUSIVE,
        "inconclusive: version 1 wants columns that are gone",
    )


@given(loss=st.one_of(LOSS, st.just(math.nan)), champion=LOSS, bound=st.one_of(WORSE, st.just(math.nan)))
def test_every_verdict_can_be_kept_as_json(loss: float, champion: float, bound: float) -> None:
    verdict = POLICY.decide(measured(loss=loss, champion=champion, bound=bound))
    json.dumps([dict(verdict.inputs), dict(verdict.thresholds)], allow_nan=False)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@given(bound=WORSE)
def test_a_verdict_names_what_it_was_judged_by(confidence: float, bound: float) -> None:
    assume(bound != 0)
    verdict = dataclasses.replace(POLICY, confidence=confidence).decide(measured(bound=bound))
    assert verdict.thresholds["confidence"] == confidence
    assert verdict.inputs["upper_bound"] == bound
