"""Which days monitoring measures, and what of it is stored: late, missing and revised labels need no care."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from jobs.monitoring.earlier_measurements import EarlierMeasurements, report_path
from jobs.monitoring.expectation import expectations
from jobs.monitoring.labelled_day import labelled_day
from jobs.monitoring.performance import DayPerformance, day_performance, looked_at_columns
from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from jobs.job import Job
    from tidewheel.ledger import Ledger


def measure_days(job: Job, ledger: Ledger, at: datetime, failures: PartialFailures = RAISING) -> list[DayPerformance]:
    """Measure the days of the partition that have matured, and earlier ones whose data changed since they were.

    The ledger's figures of a measured day are replaced: nothing counts twice, and a revised label is right at once.

    Args:
        job: names the partition; its days less the labels' delay are always measured.
        ledger: keeps the figures.
        at: the time written beside them.
        failures: takes note of a day, or a slice of one, that cannot be measured.

    Returns:
        The days, oldest first; the last is the newest matured one.
    """
    matured = job.partitions.back(job.pipeline.labels.delay_days)
    caught_up, until = matured.look_back(job.pipeline.monitoring.catch_up_days).keys, str(matured.last)
    expected = expectations(ledger, job.pipeline.name)
    earlier = EarlierMeasurements(job)
    measured = []
    for day in caught_up:
        requested = day >= str(matured.first)
        if not requested and not earlier.outdated(day, until):
            continue
        found = DayPerformance(day, missing=f"{day} could not be measured")
        with failures.named(f"performance of {day}"):
            rows = labelled_day(job, day, until, looked_at_columns(job.pipeline))
            found = day_performance(job.pipeline, rows, expected, failures)
            earlier.keep_unlabelled(rows)
        if requested or found.figures:
            _keep(job, ledger, found, at)
            measured.append(found)
    return measured


def _keep(job: Job, ledger: Ledger, measured: DayPerformance, at: datetime) -> None:
    for part, figures in measured.figures.items():
        ledger.put_figures(job.pipeline.name, measured.day, figures, at, slice=part.slice, version=part.version)
    names = {name for figures in measured.figures.values() for name in figures}
    if names:
        # what another version, or a slice that is gone, had said of this day
        ledger.forget_figures(job.pipeline.name, measured.day, names, before=at)
    by_version: defaultdict[str, dict[str, Mapping[str, float]]] = defaultdict(dict)
    for part, figures in measured.figures.items():
        known = {name: value for name, value in figures.items() if value == value}  # NaN is unknown
        by_version[part.version][part.slice or "all rows"] = known
    said = {
        "day": measured.day,
        "inputs": dict(measured.inputs),
        "missing": measured.missing,
        "versions": by_version,
        "groups": _groups(measured),
    }
    job.lake.store.replace(report_path(job, measured.day), json.dumps(said, indent=2).encode())


def _groups(found: DayPerformance) -> list[dict[str, object]]:
    """Which groups were compared in which figure, and which have too few rows."""
    return [
        {
            "version": part.version,
            "column": gap.column,
            "figure": gap.figure,
            "groups": dict(gap.groups),
            "too_small": list(gap.left_out),
            **({"missing": gap.missing} if gap.missing else {}),
        }
        for part, gaps in found.gaps.items()
        for gap in gaps
    ]
