"""How far apart groups are: in each figure, with an interval, by one column or two, small groups named."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from jobs.data.training_data import PARTITION
from jobs.evaluation.comparison import ScoredRows
from jobs.evaluation.group_gaps import RATES, group_gap
from tests.jobs.evaluation.test_slices import fortnight
from tidewheel.policies.gate.measurement import GroupGap
from tidewheel.spec.decision import Decision
from tidewheel.spec.gate import FairnessLimit


def gap(
    figure: str, rows: pd.DataFrame, truth: np.ndarray, said: np.ndarray, groups: str | list[str] = "carrier"
) -> GroupGap:
    return group_gap(
        ScoredRows(truth, said, rows[PARTITION]),
        rows,
        FairnessLimit.model_validate({"column": groups, "figure": figure, "maximum_gap": 1, "minimum_rows": 100}),
        decision=Decision(threshold=0.6),
        confidence=0.95,
        seed=0,
    )


def test_the_gap_of_a_figure_is_measured_by_group_and_small_groups_are_left_out_by_name() -> None:
    rows, truth, chance = fortnight()
    said = np.where(rows["carrier"] == "UA", np.clip(chance + 0.2, 0, 1), chance)
    found = {figure: gap(figure, rows, truth, said) for figure in ("bias", "mean_prediction", "brier")}
    assert {(one.left_out, one.highest) for one in found.values()} == {(("rare",), "UA")}
    assert found["bias"].groups["UA"] - found["bias"].groups["AA"] == pytest.approx(0.18, abs=0.04)
    united = (rows["carrier"] == "UA").to_numpy()
    assert found["mean_prediction"].groups["UA"] == pytest.approx(said[united].mean())
    assert found["brier"].groups["UA"] == pytest.approx(((said - truth)[united] ** 2).mean())


def test_rates_are_those_of_decisions_at_the_threshold() -> None:
    rows, truth, chance = fortnight()
    united, late, chosen = (rows["carrier"] == "UA").to_numpy(), truth == 1, chance >= 0.6
    expected = {
        "selection_rate": chosen[united].mean(),
        "recall": chosen[united & late].mean(),
        "false_positive_rate": chosen[united & ~late].mean(),
        "false_negative_rate": 1 - chosen[united & late].mean(),
    }
    found = {figure: gap(figure, rows, truth, chance).groups["UA"] for figure in RATES}
    assert found == pytest.approx(expected)


def test_the_interval_of_a_gap_excludes_none_where_it_is_real_and_holds_it_where_there_is_none() -> None:
    rows, truth, chance = fortnight()
    fair = gap("selection_rate", rows, truth, chance)
    assert fair.low < 0 < fair.high
    said = np.where(rows["carrier"] == "UA", np.clip(chance + 0.2, 0, 1), chance)
    unfair = gap("selection_rate", rows, truth, said)
    assert 0.1 < unfair.low < unfair.gap < unfair.high < 0.3


def test_equal_groups_seem_apart_at_most_as_often_as_the_confidence_says() -> None:
    rng, surprises = np.random.default_rng(2), 0
    days = np.repeat([f"2024-01-{d + 1:02}" for d in range(14)], 300)
    for _ in range(60):
        rows = pd.DataFrame({PARTITION: days, "carrier": rng.choice([*"ABCDE"], len(days))})
        truth = (rng.random(len(days)) < 0.5).astype(float)
        surprises += gap("recall", rows, truth, rng.random(len(days))).low > 0
    assert surprises <= 6


def test_two_columns_make_groups_of_their_combinations() -> None:
    rows, truth, chance = fortnight()
    rows["sex"] = np.where(np.arange(len(rows)) % 2, "f", "m")
    both = (rows["carrier"] == "UA") & (rows["sex"] == "f")
    said = np.where(both, np.clip(chance + 0.3, 0, 1), chance)
    found = gap("mean_prediction", rows, truth, said, ["carrier", "sex"])
    assert (found.column, found.highest) == ("carrier & sex", "UA & f")
    assert set(found.left_out) == {"rare & f", "rare & m"}


def test_a_rate_needs_rows_beneath_it_and_a_column_must_be_there() -> None:
    rows, _, chance = fortnight()
    never = np.zeros(len(rows))
    found = gap("recall", rows, never, chance)
    assert (found.groups, len(found.left_out)) == ({}, 4)
    assert gap("recall", rows, never, chance, "sex").missing == "sex"
    unknown = gap("bias", rows, never, np.full(len(rows), np.nan))
    assert unknown.groups == {}


def test_a_column_of_very_many_values_costs_little_and_names_few_groups() -> None:
    count = 200_000
    days = np.repeat(["2024-01-01", "2024-01-02"], count // 2)
    rows = pd.DataFrame({PARTITION: days, "customer": np.arange(count) // 2})
    rows.loc[:999, "customer"] = -1
    started = time.process_time()
    found = gap("bias", rows, np.zeros(count), np.full(count, 0.5), "customer")
    assert time.process_time() - started < 20
    assert found.groups == {"-1": 0.5}
    assert len(found.left_out) == 50
    assert found.more_left_out == (count - 1000) // 2 - 50
