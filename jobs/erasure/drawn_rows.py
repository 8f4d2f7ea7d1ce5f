"""Rows that monitoring has drawn from a day's batches and keeps beside its reports; it draws them again when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidewheel.lake import Lake

DRAWN = (".parquet", ".npy")
"""Rows, and hashes of keys; the reports themselves are texts."""


def forget_drawn_rows(lake: Lake, days: Iterable[str]) -> None:
    """Delete what was drawn from batches of these days.

    Args:
        lake: the pipeline's lake.
        days: partitions, YYYY-MM-DD.
    """
    for day in days:
        for path in lake.store.find(f"{lake.pipeline}/reports/{day}", ""):
            if path.endswith(DRAWN):
                lake.store.remove(path)
