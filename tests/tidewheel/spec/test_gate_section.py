"""The sections `gate` and `training`: what they refuse, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, write
from tidewheel.errors import SpecError
from tidewheel.spec import load_pipeline

CATEGORIES = SMALLEST + "  categorical: [channel]\n"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        (
            "gate: {slices: {columns: [amount]}}",
            "cannot make slices or groups: no categorical feature; expected channel",
        ),
        ("gate: {fairness: [{column: amount, maximum_gap: 0.1}]}", "amount cannot make slices or groups"),
        ("gate: {fairness: [{column: channel, figure: rmse, maximum_gap: 0.1}]}", "rmse cannot judge a classification"),
        ("gate: {fairness: [{column: [channel, region, sex], maximum_gap: 0.1}]}", "gate.fairness.0.column"),
        ("gate: {fairness: [{column: [channel, amount], maximum_gap: 0.1}]}", "amount cannot make slices or groups"),
        ("monitoring: {fairness: [returned]}", "returned cannot make slices or groups"),
        ("task: regression\ndecision: {threshold: 0.3}", "a regression decides nothing: leave this section out"),
        ("decision: {threshold: 1}", "decision.threshold"),
        ("gate: {ceilings: {expected_cost: 2}}", "needs decision.costs"),
        ("gate: {ceilings: {mape: 0.2}}", "mape cannot judge a classification"),
        ("decision: {costs: {false_positive: 1}}", "decision.costs.false_negative"),
        ("gate: {slices: {columns: []}}", "gate.slices.columns"),
        ("gate: {rule: superor}", "did you mean 'superior'"),
        ("training: {search: {space: {max_iter: {low: 9, high: 3}}}}", "low is 9, which is not below high, 3"),
        ("training: {estimator: 'a.b:c', search: {}}", "search.space is empty"),
    ],
)
def test_what_cannot_be_judged_or_searched_is_refused_where_it_is_written(
    section: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as refused:
        load_pipeline(write(tmp_path, CATEGORIES + section + "\n"))
    assert words in str(refused.value)


def test_slices_groups_and_a_search_are_read(tmp_path: Path) -> None:
    section = """\
gate:
  slices: {columns: [channel]}
  fairness: [{column: channel, maximum_gap: 0.1}]
training:
  search: {space: {max_iter: {low: 9, high: 90, log: true, whole: true}, max_leaf_nodes: [15, 31]}}
"""
    pipeline = load_pipeline(write(tmp_path, CATEGORIES + section))
    assert pipeline.gate.columns == {"channel"}
    assert pipeline.training.search
    assert pipeline.training.search.space["max_leaf_nodes"] == [15, 31]


def test_groups_may_be_of_columns_that_are_no_features_and_of_two_of_them(tmp_path: Path) -> None:
    section = """\
decision: {threshold: 0.2, costs: {false_positive: 1, false_negative: 20}}
gate:
  floors: {f1: 0.3, pr_auc: 0.2}
  ceilings: {expected_cost: -0.5}
  fairness: [{column: [region, sex], figure: recall, maximum_gap: 0.1}]
monitoring: {fairness: [sex, [region, sex]]}
"""
    pipeline = load_pipeline(write(tmp_path, CATEGORIES + section))
    assert pipeline.gate.columns == {"region", "sex"}
    assert pipeline.monitoring.fairness == ["sex", ["region", "sex"]]


@pytest.mark.parametrize(
    ("section", "alarmed", "undecided", "held"),
    [
        ("{}", False, 0, 7),
        ("{}", True, 0, 5),
        ("{holdout_days: 4}", True, 0, 4),
        ("{alarm_holdout_days: 1}", True, 0, 3),  # gate.minimum_days
        ("{}", False, 1, 14),
        ("{}", True, 1, 10),
        ("{}", False, 9, 28),
        ("{}", True, 9, 28),
    ],
)
def test_an_alarm_holds_out_less_and_what_could_not_be_decided_more(
    section: str, alarmed: bool, undecided: int, held: int, tmp_path: Path
) -> None:
    pipeline = load_pipeline(write(tmp_path, f"{SMALLEST}training: {section}\n"))
    assert pipeline.held_days(alarmed, undecided) == held
