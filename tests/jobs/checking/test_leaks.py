"""Features that know the label, and features that are merely good."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.checking.leaks import leaking

RNG = np.random.default_rng(7)
TRUTH = RNG.integers(0, 2, 300).astype("float64")
NUMBER = RNG.normal(size=300)


@pytest.mark.parametrize(
    ("values", "leaks"),
    [
        (TRUTH, True),
        (1 - TRUTH, True),
        (TRUTH * 100 + RNG.random(300), True),
        (np.where(RNG.random(300) < 0.1, np.nan, TRUTH), True),
        (np.where(TRUTH == 1, "late", "good").astype(object), True),
        (TRUTH + RNG.normal(size=300), False),
        (NUMBER, False),
        (np.zeros(300), False),
        (np.array([f"order {n}" for n in range(300)], dtype=object), False),
        (RNG.choice(["a", "b"], 300).astype(object), False),
    ],
)
def test_a_feature_that_tells_every_label_is_a_leak(values: np.ndarray, leaks: bool) -> None:
    assert list(leaking(pd.DataFrame({"feature": values}), TRUTH, "classification")) == ["feature"] * leaks


def test_a_regression_label_in_another_unit_is_a_leak() -> None:
    frame = pd.DataFrame({"cents": NUMBER * 100 + 3, "near": NUMBER + RNG.normal(size=300)})

    assert list(leaking(frame, NUMBER, "regression")) == ["cents"]
