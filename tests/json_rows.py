"""Rows of a frame as callers send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def json_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows whose numbers lose no digit in JSON: a rounded one may fall on the other side of a tree's split.

    pandas' own JSON has 15 digits at most.
    """
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return rows
