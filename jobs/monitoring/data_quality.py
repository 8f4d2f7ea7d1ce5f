"""What a day's columns look like, whatever the model makes of them: missing, constant, never seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def column_quality(
    current: pd.DataFrame, reference: pd.DataFrame, numeric: Sequence[str], categorical: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Figures by column.

    Args:
        current: some rows of the day.
        reference: some rows of the days before.
        numeric: numeric columns.
        categorical: categorical columns.

    Returns:
        missing_share (1 for a column that is not there), distinct_values, and of categories unseen_share: the share of
        rows with a value that the reference never had.
    """
    found: dict[str, dict[str, float]] = {}
    for name in (*numeric, *categorical):
        if name not in current:
            found[name] = {"missing_share": 1.0, "distinct_values": 0.0}
            continue
        values = current[name].dropna()
        found[name] = {
            "missing_share": 1 - len(values) / len(current),
            "distinct_values": float(values.nunique()),
        }
        if name in categorical and name in reference and len(values):
            found[name]["unseen_share"] = 1 - float(values.isin(reference[name].unique()).mean())
    return found
