"""Detectors over the stream of errors, row by row: ADWIN and Page-Hinkley of the library river."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.data.training_data import matured_until
from jobs.models.calibration import expected_log_losses
from jobs.models.metrics import log_losses
from jobs.monitoring.labelled_day import labelled_day
from jobs.monitoring.labelled_predictions import MAIN, SOURCE
from jobs.monitoring.predictions import predictions_of
from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import pandas as pd

    from jobs.job import Job
    from jobs.models.prediction import Array, Task

MOST_ROWS = 1_000
"""Rows of a day that the detectors see, evenly drawn: they look at each row by itself."""
NAMES = {"adwin": "ADWIN", "page_hinkley": "Page-Hinkley"}


def stream_alarms(job: Job, day: date, failures: PartialFailures = RAISING) -> list[str]:
    """Sentences of the detectors that saw a change within the newest checks.

    A detector sees the rows of the history and of the checks, oldest first: each row's excess loss for classification,
    its squared error for regression, in standard deviations of the first days.

    Args:
        job: names the pipeline, whose `monitoring.streams` names the detectors.
        day: the partition; days whose labels had matured by then are looked at.
        failures: takes note of a detector that fails.

    Returns:
        One sentence a detector.
    """
    declared, settings = job.pipeline.monitoring.streams.detectors, job.pipeline.monitoring.drift
    if not declared:
        return []
    matured = matured_until(job.pipeline, day)
    keys = [str(one) for one in job.pipeline.block.newest(matured, settings.history_days + settings.checks)]
    days = {key: errors for key in keys if len(errors := _errors(job, key, str(matured)))}
    newest = set(keys[-settings.checks :])
    alarms = []
    for name in declared:
        with failures.named(f"detector {NAMES[name]}"):
            if changed := [key for key in changes(name, days.items()) if key in newest]:
                alarms.append(f"{NAMES[name]} saw the errors change on {changed[0]}")
    return alarms


def changes(name: str, days: Iterable[tuple[str, Array]]) -> list[str]:
    """Days on which a detector saw the mean of a stream rise.

    Args:
        name: adwin or page_hinkley.
        days: errors by day, oldest first; what is no number says nothing.

    Returns:
        Their keys.
    """
    listed = [(key, known) for key, errors in days if len(known := errors[np.isfinite(errors)])]
    if not listed:
        return []
    first = np.concatenate([errors for _, errors in listed[: max(1, len(listed) // 4)]])
    middle, spread = float(first.mean()), float(first.std()) or 1.0
    watcher = _watcher(name)
    seen, mean = [], 0.0
    for key, errors in listed:
        risen = False
        for error in (errors - middle) / spread:
            watcher.update(float(error))
            risen = risen or bool(watcher.drift_detected)
        # ADWIN sees falls too, and a model that errs less is no alarm
        if risen and float(errors.mean() - middle) / spread > mean:
            seen.append(key)
        mean = float(errors.mean() - middle) / spread
    return seen


def row_errors(truth: Array, said: Array, task: Task) -> Array:
    """Excess log-loss of each row beyond what the model expected of it; squared error for regression."""
    if task == "regression":
        return np.asarray((truth - said) ** 2, dtype=np.float64)
    return np.asarray(log_losses(truth, said) - expected_log_losses(said), dtype=np.float64)


def _watcher(name: str) -> Any:
    from river import drift

    untyped: Any = drift
    # Page and Hinkley: a rise by less than a tenth of a standard deviation is none
    return untyped.ADWIN() if name == "adwin" else untyped.PageHinkley(delta=0.1, mode="up")


def _errors(job: Job, key: str, until: str) -> Array:
    rows = labelled_day(job, key, until, []).rows
    if rows.empty:
        return np.empty(0)
    known = _drawn(rows[(rows[SOURCE] == MAIN) & rows[job.pipeline.labels.column].notna()])
    truth = known[job.pipeline.labels.column].to_numpy(dtype="float64")
    return row_errors(truth, predictions_of(known, job.pipeline), job.pipeline.task)


def _drawn(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[:: max(1, -(-len(rows) // MOST_ROWS))]
