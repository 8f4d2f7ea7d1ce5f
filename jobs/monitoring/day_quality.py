"""How a day's predictions turned out, as the trigger policy takes it: some of the figures measured of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.policies.trigger.quality import DayQuality

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

FIGURES = {
    "classification": (
        *("rows", "log_loss", "expected_log_loss", "bias", "prediction_variance"),
        *("calibrated_log_loss", "calibrated_log_loss_error", "calibrated_bias", "calibrated_bias_error"),
    ),
    "multiclass": (
        *("rows", "log_loss", "expected_log_loss", "bias", "prediction_variance"),
        *("calibrated_log_loss", "calibrated_log_loss_error", "calibrated_bias", "calibrated_bias_error"),
    ),
    "regression": (
        *("rows", "squared_error", "expected_squared_error", "bias", "expected_squared_error"),
        *("calibrated_squared_error", "calibrated_squared_error_error", "calibrated_bias", "calibrated_bias_error"),
    ),
}
"""By task: the number of rows, the loss, what was expected of it, the bias, and the variance; where predictions mean
something else than they say, loss and bias of what they mean, each with its error."""


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
    rows, loss, expected, bias, variance, meant_loss, loss_error, meant_bias, bias_error = FIGURES[task]
    if not {rows, loss, bias} <= figures.keys():
        return None
    return DayQuality(
        day=day,
        version=version,
        rows=int(figures[rows]),
        loss=figures.get(meant_loss, figures[loss]),
        expected_loss=figures.get(expected),
        bias=figures.get(meant_bias, figures[bias]),
        variance=figures.get(variance),
        loss_error=figures.get(loss_error, 0.0),
        bias_error=figures.get(bias_error, 0.0),
    )
