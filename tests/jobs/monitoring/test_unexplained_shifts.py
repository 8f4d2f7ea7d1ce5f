"""What a day's mean has moved by beyond what the other columns explain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.monitoring.methods import DayComparison
from jobs.monitoring.unexplained_shifts import unexplained_shifts

COLUMNS = ["temperature", "dew_point", "distance"]
DAYS = [f"2024-01-{n:02}" for n in range(1, 21)]
TODAY = DayComparison((DAYS[-1],), tuple(DAYS[:-1]))


def weather(warmer: float = 0.0, broken: float = 0.0) -> dict[str, pd.DataFrame]:
    """Temperature and dew point go together, through days and from day to day; distance goes by itself."""
    rng = np.random.default_rng(0)
    days = {}
    for day in DAYS:
        heat = rng.normal(0, 5) + (warmer if day == DAYS[-1] else 0.0) + 3 * rng.normal(size=600)
        days[day] = pd.DataFrame(
            {
                "temperature": heat + 0.5 * rng.normal(size=600) + (broken if day == DAYS[-1] else 0.0),
                "dew_point": 0.8 * heat + 0.5 * rng.normal(size=600),
                "distance": rng.normal(size=600),
            }
        )
    return days


def shift(days: dict[str, pd.DataFrame], name: str, columns: list[str] = COLUMNS) -> float:
    [found] = unexplained_shifts(days, columns, [TODAY])[name]
    return found


def test_what_moves_with_the_other_columns_is_explained_and_what_moves_alone_is_not() -> None:
    usual, heat, broken = weather(), weather(warmer=5), weather(broken=5)
    assert shift(heat, "temperature") < 0.4
    assert shift(broken, "temperature") > 2 * max(shift(heat, "temperature"), shift(usual, "temperature"))
    assert shift(broken, "temperature") > shift(broken, "dew_point")


def test_a_column_that_nothing_goes_with_moves_by_its_mean() -> None:
    days = weather()
    days[DAYS[-1]]["distance"] += 0.5
    assert shift(days, "distance") == pytest.approx(0.5, abs=0.1)
    assert shift(days, "distance", ["distance"]) == pytest.approx(0.5, abs=0.1)


def test_copies_constants_and_missing_values_are_no_obstacle() -> None:
    days = weather()
    for rows in days.values():
        rows["copy"], rows["constant"], rows["empty"] = rows["temperature"], 1.0, np.nan
        rows.loc[:300, "dew_point"] = np.nan
    found = unexplained_shifts(days, [*COLUMNS, "copy", "constant", "empty", "unknown"], [TODAY])
    assert found["constant"] == [0.0]
    assert np.isnan([found["empty"][0], found["unknown"][0]]).all()
    assert np.isfinite([found[name][0] for name in (*COLUMNS, "copy")]).all()


def test_a_comparison_without_days_finds_nothing() -> None:
    assert np.isnan(unexplained_shifts(weather(), COLUMNS, [DayComparison((), ())])["distance"]).all()
