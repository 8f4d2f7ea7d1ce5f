"""How far apart groups of a day's rows are: what is predicted of them, how wrong that is, and what is decided."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from jobs.evaluation.drawn_figures import row_ratio
from jobs.evaluation.group_gaps import RATES, pair_share
from jobs.evaluation.slices import masks
from jobs.models.metrics import measure
from tidewheel.policies.gate_measurement import GroupGap
from tidewheel.spec.groups import group_columns, group_name

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    members = [(group, truth[mask], said[mask]) for group, mask in masks(known, groups)]
    found = [_of_means(figure, name, members, pipeline) for figure in ("mean_prediction", "bias", pipeline.metric)]
    if pipeline.task == "classification":
        found += [_of_rates(figure, name, members, pipeline) for figure in RATES]
    return found


def gap_figures(gaps: Sequence[GroupGap]) -> dict[str, float]:
    """Gaps as the ledger keeps them: `gap_<figure>`, its interval as `…_low` and `…_high`, and how many were small."""
    figures: dict[str, float] = {}
    for gap in gaps:
        if len(gap.groups) > 1:
            ends = {f"gap_{gap.figure}_low": gap.low, f"gap_{gap.figure}_high": gap.high}
            figures |= {f"gap_{gap.figure}": gap.gap, **{end: v for end, v in ends.items() if not math.isnan(v)}}
    if gaps and not gaps[0].missing:
        figures |= {"groups_compared": float(len(gaps[0].groups)), "groups_too_small": float(len(gaps[0].left_out))}
    return figures


Members = tuple[str, "Array", "Array"]
"""A group with its labels and predictions."""


def _of_means(figure: str, name: str, members: Sequence[Members], pipeline: Pipeline) -> GroupGap:
    values, left_out = {}, []
    for group, truth, said in members:
        value = (
            _mean(figure, truth, said, pipeline) if len(truth) >= pipeline.monitoring.minimum_slice_rows else math.nan
        )
        if math.isnan(value):
            left_out.append(group)
        else:
            values[group] = value
    return GroupGap(name, figure, values, tuple(left_out))


def _mean(figure: str, truth: Array, said: Array, pipeline: Pipeline) -> float:
    match figure:
        case "mean_prediction":
            return float(said.mean())
        case "bias":
            return float((truth - said).mean())
        case _:
            return measure(truth, said, pipeline.task)[figure]


def _of_rates(figure: str, name: str, members: Sequence[Members], pipeline: Pipeline) -> GroupGap:
    counted, left_out = {}, []
    for group, truth, said in members:
        above, below = (int(part.sum()) for part in row_ratio(figure, truth, said, pipeline.decision))
        if below < pipeline.monitoring.minimum_slice_rows or not np.isfinite(said).all():
            left_out.append(group)
        else:
            counted[group] = (above, below)
    rates = {group: above / below for group, (above, below) in counted.items()}
    if len(rates) < 2:
        return GroupGap(name, figure, rates, tuple(left_out))
    gap = GroupGap(name, figure, rates, tuple(left_out))
    low, high = _newcombe(counted[gap.highest], counted[gap.lowest], 1 - pair_share(len(rates), CONFIDENCE))
    return GroupGap(name, figure, rates, tuple(left_out), low, high)


def _newcombe(first: tuple[int, int], second: tuple[int, int], confidence: float) -> tuple[float, float]:
    """Interval of the first proportion minus the second, each given as hits among rows."""
    one, other = first[0] / first[1], second[0] / second[1]
    ends = [stats.binomtest(*counts).proportion_ci(confidence, method="wilson") for counts in (first, second)]
    below = math.hypot(one - ends[0].low, ends[1].high - other)
    above = math.hypot(ends[0].high - one, other - ends[1].low)
    return one - other - below, one - other + above
