"""The rows of each group, where groups are the values of a column or the combinations of two.

A column of a million values, such as a customer's number, must cost a night no more than one of ten.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.evaluation.slices import category_texts
from tidewheel.spec.groups import group_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

Places = np.ndarray[tuple[int], np.dtype[np.intp]]
MOST_GROUPS = 200
"""Groups that are compared, those with the most rows."""
MOST_NAMED = 50
"""Groups left out that a gap names."""


@dataclass(frozen=True)
class Grouped:
    """Rows by group.

    Attributes:
        members: places of the rows of each group that is large enough, by name.
        small: names of the other groups, those with the most rows first.
    """

    members: dict[str, Places]
    small: tuple[str, ...]


def grouped(rows: pd.DataFrame, groups: str | Sequence[str], minimum_rows: int) -> Grouped:
    """Divide rows into groups.

    Args:
        rows: with the columns that groups are made of; a missing value is a value of its own.
        groups: a column, or two, whose combinations are called `fast & north`.
        minimum_rows: groups with fewer rows are small.
    """
    columns = [category_texts(rows[column]) for column in group_columns(groups)]
    codes, names = pd.factorize(functools.reduce(lambda one, other: one + " & " + other, columns), sort=True)
    counts = np.bincount(codes, minlength=len(names))
    largest_first = np.argsort(-counts, kind="stable")
    chosen = sorted(code for code in largest_first[:MOST_GROUPS].tolist() if counts[code] >= minimum_rows)
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(counts)
    members = {str(names[code]): order[ends[code] - counts[code] : ends[code]] for code in chosen}
    large = set(chosen)
    return Grouped(members, tuple(str(names[code]) for code in largest_first.tolist() if code not in large))
