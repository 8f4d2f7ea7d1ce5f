"""The gate as a rule: what passes, what never does, and what stays undecided."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidewheel.policies.gate.fairness import FairnessRule
from tidewheel.policies.gate.measurement import Comparison, Footprint, GateMeasurement, GroupGap, Unsteady
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Outcome

POLICY = GatePolicy(
    metric="log_loss", lower_is_better=True, margin=0.02, floors={"roc_auc": 0.6}, ceilings={"log_loss": 0.7}
)
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
        "passed: version 2 has log-loss 0.4812 against 0.4920 of version 1 (difference -0.0108, 97.5% upper bound "
        "-0.0031, at most +0.0098 is required), on 6,312 rows of 7 days"
    )


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (0.6931, ""),
        (0.4799, "; a constant would do as well: the best one has log-loss 0.4799 on the same rows"),
        (math.nan, ""),
    ],
)
def test_a_challenger_no_better_than_a_constant_passes_with_a_note(constant: float, said: str) -> None:
    verdict = POLICY.decide(dataclasses.replace(measured(champion=None), constant=constant))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence.endswith(f"on 6,312 rows of 7 days{said}")
    assert verdict.inputs.get("constant", math.nan) == pytest.approx(constant, nan_ok=True)


def test_of_a_figure_where_more_is_better_a_constant_is_as_good_from_above() -> None:
    policy = GatePolicy(metric="roc_auc", lower_is_better=False)
    for auc, useless in ((0.49, True), (0.5, True), (0.51, False)):
        verdict = policy.decide(GateMeasurement("2", {"roc_auc": auc}, 6312, 7, constant=0.5))
        assert ("a constant would do as well" in verdict.sentence) == useless


def test_of_a_figure_where_more_is_better_the_sentence_turns_the_sign() -> None:
    policy = GatePolicy(metric="roc_auc", lower_is_better=False, margin=0.02)
    comparison = Comparison("1", {"roc_auc": 0.70}, loss_difference=-0.02, upper_bound=-0.01)
    verdict = policy.decide(GateMeasurement("2", {"roc_auc": 0.72}, 6312, 7, comparison))
    assert verdict.outcome is Outcome.PASSED
    assert "(difference +0.0200, 97.5% lower bound +0.0100, at least -0.0140 is required)" in verdict.sentence


@pytest.mark.parametrize(
    ("unsteady", "sentence"),
    [
        (
            Unsteady("alone", 3, 0.455),
            "predicts golden row 3 alone 0.455 apart from the same row among the golden rows; a prediction must not "
            "depend on the other rows of the batch",
        ),
        (
            Unsteady("again", 1, 0.2),
            "predicts golden row 1 0.2 apart when the prediction is repeated; the same row must be predicted the same",
        ),
        (
            Unsteady("alone", error="ValueError: bins"),
            "cannot predict golden rows alone that it predicts together (ValueError: bins)",
        ),
    ],
)
@pytest.mark.parametrize("champion", [0.48, None])
def test_a_challenger_whose_answers_depend_on_more_than_the_row_is_refused(
    unsteady: Unsteady, sentence: str, champion: float | None
) -> None:
    verdict = POLICY.decide(dataclasses.replace(measured(champion=champion), unsteady=unsteady))
    assert verdict.outcome is Outcome.REFUSED
    assert f"version 2 {sentence}" in verdict.sentence
    assert json.dumps(verdict.inputs)


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


def test_a_limit_that_the_champion_misses_on_the_same_rows_is_told_and_does_not_refuse() -> None:
    storm = measured(loss=0.7286, champion=0.7912, bound=-0.02)
    verdict = POLICY.decide(storm)
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence.endswith(
        "; it has log-loss 0.7286, above the ceiling of 0.7, but so has version 1 (0.7912): the days are hard"
    )
    assert "the days are hard" not in POLICY.decide(measured()).sentence


@given(champion=st.floats(0.71, 1.0), over=st.floats(1e-6, 0.5))
def test_a_limit_missed_by_more_than_the_champion_misses_it_refuses(champion: float, over: float) -> None:
    loss = champion * (1 + POLICY.margin) + over
    verdict = POLICY.decide(measured(loss=loss, champion=champion, bound=-0.1))
    assert verdict.outcome is Outcome.REFUSED
    assert "above the ceiling of 0.7" in verdict.sentence


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


def test_under_superiority_a_challenger_that_is_only_not_worse_is_refused() -> None:
    policy = dataclasses.replace(POLICY, superior=True)
    assert policy.decide(measured(bound=0.0)).outcome is Outcome.REFUSED
    verdict = policy.decide(measured(loss=0.47, bound=-0.001))
    assert verdict.outcome is Outcome.PASSED
    assert "below +0.0000 is required" in verdict.sentence


@given(bound=WORSE, margin=st.floats(0, 0.99))
def test_what_is_superior_is_not_inferior_under_any_margin(bound: float, margin: float) -> None:
    if dataclasses.replace(POLICY, superior=True).decide(measured(bound=bound)).outcome is Outcome.PASSED:
        assert dataclasses.replace(POLICY, margin=margin).decide(measured(bound=bound)).outcome is Outcome.PASSED


@given(latency=st.floats(0.01, 100), size=st.floats(0.01, 100))
def test_a_model_over_a_budget_never_passes_and_one_that_nobody_measured_neither(latency: float, size: float) -> None:
    policy = dataclasses.replace(POLICY, maximum_latency_ms=10, maximum_size_mb=5)
    found = dataclasses.replace(measured(), footprint=Footprint(latency, size))
    within = latency <= 10 and size <= 5
    assert policy.decide(found).outcome is (Outcome.PASSED if within else Outcome.REFUSED)
    assert policy.decide(measured()).outcome is Outcome.INCONCLUSIVE


def test_every_broken_rule_is_named() -> None:
    policy = dataclasses.replace(POLICY, maximum_latency_ms=10)
    verdict = policy.decide(dataclasses.replace(measured(auc=0.55, bound=0.2), footprint=Footprint(12, 1)))
    assert "has AUC 0.55, below the floor of 0.6" in verdict.sentence
    assert "needs 12 ms for one row, 10 ms are allowed" in verdict.sentence
    assert "97.5% upper bound +0.2000" in verdict.sentence


def gap(**groups: float) -> GateMeasurement:
    return dataclasses.replace(measured(), gaps=(GroupGap("origin", "bias", groups, ("ANC",)),))


FAIR = dataclasses.replace(POLICY, fairness=(FairnessRule("origin", "bias", 0.05),))


@given(groups=st.dictionaries(st.sampled_from("ABCDE"), st.floats(-1, 1), min_size=2))
def test_groups_further_apart_than_the_limit_are_refused_and_the_two_are_named(groups: dict[str, float]) -> None:
    verdict = FAIR.decide(gap(**groups))
    apart = max(groups.values()) - min(groups.values())
    assert (verdict.outcome is Outcome.REFUSED) == (apart > 0.05)
    if apart > 0.05:
        assert f"between origin {min(groups, key=lambda g: groups[g])}" in verdict.sentence


def test_a_gap_is_reported_with_its_interval_and_the_groups_that_were_too_small() -> None:
    wide = GroupGap("origin & sex", "recall", {"EWR & f": 0.5, "JFK & m": 0.7}, ("LGA & f",), low=0.12, high=0.28)
    policy = dataclasses.replace(POLICY, fairness=(FairnessRule("origin & sex", "recall", 0.1),))
    verdict = policy.decide(dataclasses.replace(measured(), gaps=(wide,)))
    assert verdict.outcome is Outcome.REFUSED
    assert "and JFK & m (0.7), interval 0.12 to 0.28, 0.1 is allowed" in verdict.sentence
    assert verdict.sentence.endswith("too few rows to compare recall where origin & sex is LGA & f")
    assert json.loads(json.dumps(verdict.inputs))["gaps"][0]["low"] == 0.12


def test_a_column_of_groups_that_is_nowhere_is_named() -> None:
    verdict = FAIR.decide(dataclasses.replace(measured(), gaps=(GroupGap("origin", "bias", {}, missing="orgin"),)))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (
        "gate.fairness names the column orgin, which neither the features nor the landed rows have" in verdict.sentence
    )


@pytest.mark.parametrize("name", ["pr_auc", "accuracy", "precision", "recall", "f1"])
def test_figures_of_decisions_may_be_floors(name: str) -> None:
    policy = dataclasses.replace(POLICY, floors={name: 0.6})
    low, unknown = (
        dataclasses.replace(measured(champion=None), challenger={"log_loss": 0.48, name: value})
        for value in (0.5, math.nan)
    )
    assert policy.decide(low).outcome is Outcome.REFUSED
    assert policy.decide(unknown).outcome is Outcome.INCONCLUSIVE
    assert "below the floor of 0.6" in policy.decide(low).sentence


def test_one_group_alone_cannot_show_that_it_is_treated_fairly() -> None:
    assert FAIR.decide(gap(A=0.0)).outcome is Outcome.INCONCLUSIVE
    assert FAIR.decide(measured()).outcome is Outcome.INCONCLUSIVE


def test_days_that_have_judged_before_are_counted_and_stop_judging_where_the_pipeline_says_so() -> None:
    used = dataclasses.replace(measured(), holdout_uses=2)
    assert POLICY.decide(used).sentence.endswith("some of these days have judged 2 challengers before")
    verdict = dataclasses.replace(POLICY, maximum_holdout_uses=2).decide(used)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert dataclasses.replace(POLICY, maximum_holdout_uses=3).decide(used).outcome is Outcome.PASSED
