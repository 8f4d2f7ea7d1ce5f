"""Columns of the landed rows beside rows of features: groups are also made of what a model must not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidewheel.lake import Lake

DATASET = "landing"
DAY = "_tidewheel_day"


def with_landed_columns(
    lake: Lake, rows: pd.DataFrame, key: Sequence[str], days: pd.Series[str], columns: Sequence[str]
) -> pd.DataFrame:
    """Rows with columns that were landed for them; where a day lacks a column, its rows have a missing value.

    Args:
        lake: the pipeline's lake.
        rows: with the key.
        key: the columns that identify a row within its day.
        days: the day of each row.
        columns: the columns; those that the rows have already stay as they are.

    Returns:
        The same rows in the same order. A column that no day has is not added.
    """
    absent = [name for name in columns if name not in rows]
    found = list(_landed(lake, days, key, absent)) if absent else []
    if not found:
        return rows
    landed = pd.concat(found, ignore_index=True)
    joined = _by_text(rows.assign(**{DAY: days.astype(str)}), key).merge(
        _by_text(landed, key).drop(columns=list(key)), on=[DAY, *map(_text, key)], how="left"
    )
    return joined.drop(columns=[DAY, *map(_text, key)]).set_index(rows.index)


def _landed(lake: Lake, days: pd.Series[str], key: Sequence[str], columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    for day in days.astype(str).unique():
        manifest = lake.published(DATASET, day)
        there = [name for name in columns if manifest is not None and name in manifest.columns]
        if manifest is not None and there:
            frame: pd.DataFrame = lake.read(manifest, [*key, *there]).to_pandas()
            yield frame.drop_duplicates(list(key), keep="last").assign(**{DAY: day})


def _by_text(frame: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """With the key as text: the two sides may have come by it in different types."""
    return frame.assign(**{_text(name): frame[name].astype(str) for name in key})


def _text(name: str) -> str:
    return f"_tidewheel_key_{name}"
