"""ADWIN and Page-Hinkley over a stream of errors."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.monitoring.streams import changes, row_errors


def days(means: list[float]) -> list[tuple[str, np.ndarray]]:
    draw = np.random.default_rng(0)
    return [(f"day {n}", draw.normal(mean, 1.0, size=400)) for n, mean in enumerate(means)]


@pytest.mark.parametrize("detector", ["adwin", "page_hinkley"])
def test_a_rise_is_seen_on_its_first_day_and_calm_days_are_not(detector: str) -> None:
    assert changes(detector, days([0.0] * 30)) == []
    assert "day 20" in changes(detector, days([0.0] * 20 + [1.0] * 3))


@pytest.mark.parametrize("detector", ["adwin", "page_hinkley"])
def test_a_model_that_errs_less_is_no_alarm(detector: str) -> None:
    assert changes(detector, days([0.0] * 20 + [-1.0] * 3)) == []


def test_the_stream_of_a_calibrated_model_has_the_mean_zero() -> None:
    chance = np.random.default_rng(1).random(200_000)
    late = (np.random.default_rng(2).random(200_000) < chance).astype(float)
    assert row_errors(late, chance, "classification").mean() == pytest.approx(0, abs=0.005)
