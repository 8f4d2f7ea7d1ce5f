"""How far apart groups of a day's rows are: what is predicted of them, how wrong that is, and what is decided."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from jobs.evaluation.drawn_figures import row_ratio
from jobs.evaluation.group_gaps import RATES, left_out, pair_share
from jobs.evaluation.groups import Grouped, grouped
from jobs.models.metrics import measure
from tidewheel.policies.gate.measurement import GroupGap
from tidewheel.spec.groups import group_columns, group_name
from tidewheel.unknown import known_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from jobs.models.prediction import Array
    from tidewheel.spec import Pipeline

CONFIDENCE = 0.95
"""Of the intervals of rates, for all pairs of groups at once."""


def day_gaps(rows: pd.DataFrame, groups: str | Sequence[str], pipeline: Pipeline) -> list[GroupGap]:
    """Highest minus lowest group of a day in each figure.

    Rows of one day are all there is, so the intervals of rates take rows for independent of one another: they are
    Newcombe's ("Interval Estimation for the Difference Between Independent Proportions", Statistics in Medicine 17,
    1998, method 10) and rather too narrow where one cause moves many rows of the day.

    Args:
        rows: predictions of the day, with label and the columns that groups are made of.
        groups: a column, or two whose combinations are the groups.
        pipeline: names label, task, metric, threshold and the fewest rows of a group.

    Returns:
        mean_prediction, bias and the pipeline's metric; for classification also demographic parity (selection_rate),
        equal opportunity (recall), false_positive_rate and false_negative_rate. Of a column that is not there, one
        gap that names it.
    """
    name, label = group_name(groups), pipeline.labels.column
    if lacking := [column for column in group_columns(groups) if column not in rows]:
        return [GroupGap(name, "bias", {}, missing=lacking[0])]
    known = rows[rows[label].notna()]
    truth, said = known[label].to_numpy(dtype="float64"), known["prediction"].to_numpy(dtype="float64")
    rows_of = grouped(known, groups, pipeline.monitoring.minimum_slice_rows)
    day = _DayByGroup(name, rows_of, {group: (truth[at], said[at]) for group, at in rows_of.members.items()}, pipeline)
    gaps = [day.of_means(figure) for figure in ("mean_prediction", "bias", pipeline.metric)]
    return gaps + [day.of_rates(figure) for figure in RATES] if pipeline.task == "classification" else gaps


def gap_figures(gaps: Sequence[GroupGap]) -> dict[str, float]:
    """Gaps as the ledger keeps them: `gap_<figure>`, its interval as `…_low` and `…_high`, and how many were small."""
    figures: dict[str, float] = {}
    for gap in gaps:
        if len(gap.groups) > 1:
            ends = {f"gap_{gap.figure}_low": gap.low, f"gap_{gap.figure}_high": gap.high}
            figures |= {f"gap_{gap.figure}": gap.gap, **known_figures(ends)}
    if gaps and not gaps[0].missing:
        small = len(gaps[0].left_out) + gaps[0].more_left_out
        figures |= {"groups_compared": float(len(gaps[0].groups)), "groups_too_small": float(small)}
    return figures


@dataclass(frozen=True)
class _DayByGroup:
    """A day's rows by group.

    Attributes:
        name: of the groups.
        rows_of: the rows of each group.
        members: labels and predictions of the groups that are large enough.
        pipeline: its declaration.
    """

    name: str
    rows_of: Grouped
    members: Mapping[str, tuple[Array, Array]]
    pipeline: Pipeline

    def of_means(self, figure: str) -> GroupGap:
        """The gap of a figure that has no interval."""
        values = {group: _mean(figure, truth, said, self.pipeline) for group, (truth, said) in self.members.items()}
        known = known_figures(values)
        return GroupGap(self.name, figure, known, *left_out(self.rows_of, known))

    def of_rates(self, figure: str) -> GroupGap:
        """The gap of a rate of decisions, and its interval; a group needs rows enough beneath the rate."""
        counted = {}
        for group, (truth, said) in self.members.items():
            above, below = (int(part.sum()) for part in row_ratio(figure, truth, said, self.pipeline.decision))
            if below >= self.pipeline.monitoring.minimum_slice_rows and np.isfinite(said).all():
                counted[group] = (above, below)
        rates = {group: above / below for group, (above, below) in counted.items()}
        gap = GroupGap(self.name, figure, rates, *left_out(self.rows_of, rates))
        if len(rates) < 2:
            return gap
        confidence = 1 - pair_share(len(rates), CONFIDENCE)
        low, high = _newcombe(counted[gap.highest], counted[gap.lowest], confidence)
        return replace(gap, low=low, high=high)


def _mean(figure: str, truth: Array, said: Array, pipeline: Pipeline) -> float:
    match figure:
        case "mean_prediction":
            return float(said.mean())
        case "bias":
            return float((truth - said).mean())
        case _:
            return measure(truth, said, pipeline.task)[figure]


def _newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float) -> tuple[float, float]:
    """Interval of the first proportion minus the second, each given as hits among rows."""
    one, other = first[0] / first[1], second[0] / second[1]
    ends = [stats.binomtest(*counts).proportion_ci(confidence, method="wilson") for counts in (first, second)]
    below = math.hypot(one - ends[0].low, ends[1].high - other)
    above = math.hypot(ends[0].high - one, other - ends[1].low)
    return one - other - below, one - other + above
