"""Slices and groups of rows: harm in one of them is seen, and missing values are a slice of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jobs.data.training_data import PARTITION
from jobs.evaluation.comparison import PairedRows
from jobs.evaluation.slices import MISSING, compare_slices
from tidewheel.policies.gate.measurement import SliceComparison
from tidewheel.policies.gate.slices import SlicePolicy
from tidewheel.policies.verdict import Outcome


def fortnight(each: int = 400) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows of 14 days with a carrier (`rare` in few, missing in some), true labels, and well calibrated predictions."""
    rng = np.random.default_rng(0)
    count = 14 * each
    chance = rng.uniform(0.05, 0.95, count)
    carrier = rng.choice(["AA", "UA", "rare", None], count, p=[0.5, 0.39, 0.01, 0.1])
    rows = pd.DataFrame({PARTITION: np.repeat([f"2024-01-{d + 1:02}" for d in range(14)], each), "carrier": carrier})
    return rows, (rng.random(count) < chance).astype(float), chance


def compare(rows: pd.DataFrame, truth: np.ndarray, new: np.ndarray, old: np.ndarray) -> dict[str, SliceComparison]:
    found = compare_slices(
        PairedRows("log_loss", truth, new, old, rows[PARTITION]),
        rows[["carrier"]],
        SlicePolicy(margin=0.05, confidence=0.95, minimum_rows=100),
        task="classification",
        seed=0,
    )
    return {part.name: part for part in found}


def test_harm_in_one_slice_is_found_there_and_nowhere_else() -> None:
    rows, truth, chance = fortnight()
    spoiled = np.where(rows["carrier"] == "UA", np.clip(chance * 0.6, 0.01, 0.99), chance)
    judged = SlicePolicy(minimum_rows=100).judge(list(compare(rows, truth, spoiled, chance).values()))
    assert judged == {
        f"carrier={MISSING}": Outcome.PASSED,
        "carrier=AA": Outcome.PASSED,
        "carrier=UA": Outcome.REFUSED,
        "carrier=rare": Outcome.INCONCLUSIVE,
    }


def test_equally_good_models_are_refused_because_of_a_slice_at_most_as_often_as_the_confidence_says() -> None:
    rng = np.random.default_rng(1)
    rows, truth, chance = fortnight(each=150)
    refused = 0
    for _ in range(100):
        new, old = (np.clip(chance + rng.normal(0, 0.1, len(chance)), 0.01, 0.99) for _ in range(2))
        refused += (
            Outcome.REFUSED
            in SlicePolicy(margin=0.0, minimum_rows=100).judge(list(compare(rows, truth, new, old).values())).values()
        )
    assert refused <= 10


def test_a_value_that_is_called_as_missing_ones_are_is_a_slice_of_its_own() -> None:
    rows, truth, chance = fortnight()
    rows["carrier"] = rows["carrier"].replace("UA", MISSING)
    found = compare(rows, truth, chance, chance)
    counts = rows["carrier"].value_counts(dropna=False)
    assert found[f"carrier={MISSING}"].rows == counts[MISSING]
    assert found[f"carrier=({MISSING})"].rows == rows["carrier"].isna().sum()
