"""How far a day's values lie from those of other days, whatever they are called."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from jobs.monitoring.detectors import category_counts, detector, gone_categories
from jobs.monitoring.methods import DayComparison

TODAY = DayComparison(("today",), ("before",))


def days(before: list[str | None], today: list[str | None]) -> dict[str, pd.Series]:
    return {"before": pd.Series(before * 50, dtype=object), "today": pd.Series(today * 50, dtype=object)}


@pytest.mark.parametrize("name", ["nan", "None", "(missing)"])
def test_a_category_that_is_called_as_missing_values_are_is_none_of_them(name: str) -> None:
    moved = days(["AA", name], ["AA", None])
    [distance] = detector("jensenshannon", "cat").distances(moved, [TODAY])
    [usual] = detector("jensenshannon", "cat").distances(days(["AA", name], ["AA", name]), [TODAY])
    assert (usual, distance > 0.4) == (0.0, True)
    assert gone_categories(category_counts(moved), TODAY) == [name]
    assert gone_categories(category_counts(days(["AA", None], ["AA", "AA"])), TODAY) == []


@pytest.mark.parametrize(
    ("before", "today", "least", "most"),
    [
        ([1.0] * 90, [1.0] * 90, 0, 0),
        ([1.0] * 90, [2.0] * 90, 100, math.inf),
        ([math.nan] * 90, [math.nan] * 90, 0, 0),
        ([1.0, 2.0] * 45, [math.nan] * 90, 1, 1),
        ([math.nan] * 90, [1.0, 2.0] * 45, 1, 1),
        ([1.0, 2.0, math.inf] * 30, [1.0, 2.0, -math.inf] * 30, 0, 0),
    ],
    ids=["constant", "another constant", "empty", "emptied", "filled", "infinite"],
)
def test_constant_empty_and_infinite_columns_have_a_distance(
    before: list[float], today: list[float], least: float, most: float
) -> None:
    days = {"before": pd.Series(before), "today": pd.Series(today)}
    [distance] = detector("wasserstein", "num").distances(days, [TODAY])
    assert least <= distance <= most


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("enormous", [1e200, 1e308])
def test_a_number_beyond_measure_leaves_the_distance_unknown_and_stops_nothing(enormous: float) -> None:
    days = {"before": pd.Series([1.0, 2.0, enormous] * 30), "today": pd.Series([1.0, 2.0] * 45)}
    [distance] = detector("wasserstein", "num").distances(days, [TODAY])
    assert not math.isfinite(distance)
