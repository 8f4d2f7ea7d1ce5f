"""What a day's columns look like, whatever the model makes of them: missing, constant, never seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def column_quality(
    current: pd.DataFrame,
    reference: pd.DataFrame,
    numeric: Sequence[str],
    categorical: Sequence[str],
    failures: PartialFailures = RAISING,
) -> dict[str, dict[str, float]]:
    """Figures by column.

    Args:
        current: some rows of the day.
        reference: some rows of the days before.
        numeric: numeric columns.
        categorical: categorical columns.
        failures: takes note of a column that cannot be looked at.

    Returns:
        missing_share (1 for a column that is not there), distinct_values, and of categories unseen_share: the share of
        rows with a value that the reference never had.
    """
    qualities: dict[str, dict[str, float]] = {}
    for name in (*numeric, *categorical):
        with failures.named(f"quality of column {name}"):
            qualities[name] = _quality(current, reference, name, categorical=name in categorical)
    return qualities


def _quality(current: pd.DataFrame, reference: pd.DataFrame, name: str, *, categorical: bool) -> dict[str, float]:
    if name not in current:
        return {"missing_share": 1.0, "distinct_values": 0.0}
    values = current[name].dropna()
    figures = {"missing_share": 1 - len(values) / len(current), "distinct_values": float(values.nunique())}
    if categorical and name in reference and len(values):
        figures["unseen_share"] = 1 - float(values.isin(reference[name].unique()).mean())
    return figures
