"""How a day's predictions turned out, as the trigger policy takes it: some of the figures measured of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.policies.trigger_facts import DayQuality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

FIGURES = {
    "classification": ("rows", "log_loss", "expected_log_loss", "bias", "prediction_variance"),
    "regression": ("rows", "squared_error", "expected_squared_error", "bias", "expected_squared_error"),
}
"""By task: the number of rows, the loss, what was expected of it, the bias, and the variance."""


def day_quality(task: str, day: date, version: str, figures: Mapping[str, float]) -> DayQuality | None:
    """Pick the figures that tell the quality of a day.

    Args:
        task: kind of label.
        day: the measured day.
        version: who predicted it.
        figures: of all its rows, by name.

    Returns:
        The quality; None where rows, loss or bias were not measured.
    """
    rows, loss, expected, bias, variance = FIGURES[task]
    if not {rows, loss, bias} <= figures.keys():
        return None
    return DayQuality(
        day=day,
        version=version,
        rows=int(figures[rows]),
        loss=figures[loss],
        expected_loss=figures.get(expected),
        bias=figures[bias],
        variance=figures.get(variance),
    )
