"""Has the label's relation to the features changed in a slice? Each slice's loss against its own history."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

from jobs.data.training_data import matured_until
from tidewheel.policies.alarm import AlarmPolicy, Series, SeriesFinding

if TYPE_CHECKING:
    from jobs.monitoring.figure_source import FigureSource
    from tidewheel.spec import Pipeline

LOSS = {"classification": "excess_log_loss", "multiclass": "excess_log_loss", "regression": "squared_error"}
EXPECTED = {"classification": "expected_log_loss", "multiclass": "expected_log_loss", "regression": "squared_error"}
WORDS = {"classification": "excess log-loss", "multiclass": "excess log-loss", "regression": "squared error"}
LEAST_SHARE = 0.1
"""A slice must lose a tenth more than is expected of it: less is not a changed relation."""


def slice_alarms(measured: FigureSource, pipeline: Pipeline, day: date) -> list[str]:
    """Sentences of the slices whose loss rose, confirmed, beyond how much it moves from day to day.

    The excess over the model's own expectation is what is watched: a slice that has become harder, and that the model
    knows to be harder, is no alarm. The same history, correction and confirmations as for drift hold.

    Args:
        measured: holds the slices' figures.
        pipeline: names task, delay and `monitoring.drift`.
        day: the partition; days whose labels had matured by then are looked at.

    Returns:
        One sentence a slice, the surest first.
    """
    family = _series(measured, pipeline, day)
    settings = pipeline.monitoring.drift
    policy = AlarmPolicy(settings.level, settings.confirmations, settings.correction)
    found = sorted((f for f in policy.judge(family) if f.confirmed), key=lambda f: f.probability)
    return [_sentence(pipeline, finding) for finding in found]


def _series(source: FigureSource, pipeline: Pipeline, day: date) -> list[Series]:
    settings = pipeline.monitoring.drift
    matured = matured_until(pipeline, day)
    keys = [str(one) for one in pipeline.block.newest(matured, settings.history_days + settings.checks)]
    loss, expected = LOSS[pipeline.task], EXPECTED[pipeline.task]
    rows: defaultdict[tuple[str, str], float] = defaultdict(float)
    values: dict[tuple[str, str], dict[str, float]] = {}
    measured = defaultdict[tuple[str, str, str], dict[str, float]](dict)
    for row in source.figures_of_days(pipeline.name, keys[0], keys[-1], {"rows", loss, expected}):
        if "=" in row.slice:
            measured[row.slice, row.partition, row.version][row.name] = row.value
    for (name, partition, _), figures in measured.items():
        # of several versions that predicted a slice that day, the one with most rows speaks for it
        if loss in figures and figures.get("rows", 0.0) > rows[name, partition]:
            rows[name, partition] = figures["rows"]
            values[name, partition] = figures
    found = []
    for name in sorted({name for name, _ in values}):
        days = [values.get((name, key), {}) for key in keys]
        usual = [d[expected] for d in days if expected in d]
        series = tuple(d.get(loss, math.nan) for d in days)
        least = LEAST_SHARE * sum(usual) / len(usual) if usual else 0.0
        found.append(Series(name, series[: -settings.checks], series[-settings.checks :], least=least))
    return found


def _sentence(pipeline: Pipeline, finding: SeriesFinding) -> str:
    sign = "" if pipeline.task == "regression" else "+"
    return f"{finding.name}: {WORDS[pipeline.task]} {finding.value:{sign}.3f}, beyond {finding.limit:{sign}.3f}"
