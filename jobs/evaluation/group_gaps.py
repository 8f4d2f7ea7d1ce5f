"""How far apart groups of rows are in one figure of a model, and how surely.

With many groups the two that are furthest apart are always apart. So the interval of their difference is as wide as it
must be to hold for all pairs of groups at once (Bonferroni's correction).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jobs.evaluation.comparison import COMPARED, Resampled, ScoredRows, drawn_days, losses
from jobs.evaluation.drawn_figures import DayDraws, drawn_ratio, row_ratio
from jobs.evaluation.groups import MOST_NAMED, Grouped, grouped
from tidewheel.policies.gate.measurement import GroupGap
from tidewheel.spec.groups import group_columns, group_name

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.spec.decision import Decision
    from tidewheel.spec.gate import FairnessLimit

RATES = ("selection_rate", "recall", "false_positive_rate", "false_negative_rate")
"""Demographic parity, equal opportunity, and the two rates of equalized odds."""


def group_gap(
    scored: ScoredRows,
    rows: pd.DataFrame,
    limit: FairnessLimit,
    *,
    decision: Decision,
    confidence: float,
    seed: int,
) -> GroupGap:
    """One figure of a model for each group, and the interval of the gap by a bootstrap over days.

    Args:
        scored: what the model predicts.
        rows: the same rows, with the columns that groups are made of.
        limit: says what makes the groups, which figure is compared, and how many rows beneath it a group needs; those
            with fewer are left out, by name.
        decision: the threshold of `RATES`.
        confidence: two-sided, of the interval.
        seed: of the draws.

    Returns:
        The figure of each group with enough rows; `missing` names a column that the rows do not have.
    """
    figure, groups, minimum_rows = limit.figure, limit.column, limit.minimum_rows
    name = group_name(groups)
    if lacking := [column for column in group_columns(groups) if column not in rows]:
        return GroupGap(name, figure, {}, missing=lacking[0])
    draws = drawn_days(scored.days, seed)
    drawn: dict[str, Array] = {}
    groups_of_rows = grouped(rows, groups, minimum_rows)
    for group, places in groups_of_rows.members.items():
        members = ScoredRows(scored.truth[places], scored.predicted[places], scored.days.iloc[places])
        counted, values = _draws(figure, members, DayDraws(draws.codes[places], draws.weights), decision)
        if counted >= minimum_rows and not math.isnan(values[0]):
            drawn[group] = values
    figures = {group: float(values[0]) for group, values in drawn.items()}
    return GroupGap(
        name, figure, figures, *left_out(groups_of_rows, drawn), *_interval(drawn, draws.weights.shape[1], confidence)
    )


def left_out(grouped_rows: Grouped, compared: Container[str]) -> tuple[tuple[str, ...], int]:
    """Names of the groups that are not compared, as many as a gap names, and how many others there are."""
    names = [*(group for group in grouped_rows.members if group not in compared), *grouped_rows.small]
    return tuple(names[:MOST_NAMED]), len(names[MOST_NAMED:])


def _draws(figure: str, rows: ScoredRows, draws: DayDraws, decision: Decision) -> tuple[float, Array]:
    """Rows beneath the figure, and its value as it is and under each draw of days."""
    count = float(len(rows.truth))
    if not np.isfinite(rows.predicted).all():
        return count, np.full(len(draws.weights), math.nan)
    if figure not in COMPARED:
        ratio = row_ratio(figure, rows.truth, rows.predicted, decision)
        return float(ratio[1].sum()), drawn_ratio(ratio, *draws)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw without a row of the group
        values = losses(figure, rows, draws)
    return count, -values if figure == "roc_auc" else values


def _interval(drawn: Mapping[str, Array], days: int, confidence: float) -> tuple[float, float]:
    """Of the difference of the two groups that are furthest apart; NaN where days are too few."""
    if len(drawn) < 2 or days < 2:
        return math.nan, math.nan
    lowest, highest = (choose(drawn, key=lambda group: drawn[group][0]) for choose in (min, max))
    differences = drawn[highest] - drawn[lowest]
    known = differences[1:][~np.isnan(differences[1:])]
    if len(known) < 2:
        return math.nan, math.nan
    gap = Resampled(float(differences[0]), known, days)
    reach = gap.reach(1 - pair_share(len(drawn), confidence) / 2)
    return gap.difference - reach, gap.difference + reach


def pair_share(groups: int, confidence: float) -> float:
    """What each pair of groups may err by, so that all intervals hold at once with a confidence."""
    return (1 - confidence) / math.comb(groups, 2)
