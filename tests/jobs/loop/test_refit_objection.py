"""When a refit must not be used: it has forgotten what the first fit knew, and not merely learned that days turn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from jobs.loop.fit import refit_objection
from jobs.training.fitting import TrainingRows
from tests.jobs.models.small_tasks import pipeline_of

ROWS = 70
DAYS = pd.Series(np.repeat([f"2024-01-0{day}" for day in range(1, 8)], ROWS // 7))
REGRESSION = pipeline_of("squared_error")
LESSON = TrainingRows(pd.DataFrame({"weight": np.zeros(ROWS)}), np.tile([-1.0, 1.0], ROWS // 2), DAYS)
EVERY = np.full(ROWS, fill_value=True)


def says(value: float) -> DummyRegressor:
    """A model that always says the same: further from 0 is worse, and all are worse than the best constant."""
    return DummyRegressor(strategy="constant", constant=value).fit(LESSON.frame, LESSON.truth)


@pytest.mark.parametrize("value", [8.0, 10.0, 11.0], ids=["better", "the same", "hardly worse"])
def test_a_refit_of_a_model_that_is_worse_than_a_constant_may_be_used(value: float) -> None:
    assert refit_objection(REGRESSION, says(10.0), says(value), LESSON, EVERY) == ""


def test_a_refit_that_is_far_worse_than_a_poor_model_may_not() -> None:
    said = refit_objection(REGRESSION, says(10.0), says(20.0), LESSON, EVERY)

    assert said.startswith("on the last 7 days that both have learned from, it is better than a constant by -")
