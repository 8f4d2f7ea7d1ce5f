"""Which days a run is about: its partition key, or the form it was started with, or a default that never moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from airflow.sdk.exceptions import AirflowFailException

from tidewheel.errors import LakeError, UsageError
from tidewheel.partitions import DAY, SEPARATOR, Partitioning, PartitionRange

if TYPE_CHECKING:
    from datetime import datetime

    from tidewheel.lake import Lake

PARTITION = "{{ partition(dag_run, params) }}"
"""The template of a run's days; each DAG brings its own `partition` macro."""


class Run(Protocol):
    """What is read of Airflow's DAG run."""

    run_id: str
    partition_key: str | None
    run_after: datetime


Macro = Callable[[Run, Mapping[str, Any]], str]


def last_ended(unit: Partitioning) -> Macro:
    """A macro for scheduled runs: the run's partition key, else the form's, else the last partition that has ended.

    It raises AirflowFailException where the key or the form does not name partitions.

    Args:
        unit: what a partition holds.
    """

    def partition(run: Run, params: Mapping[str, Any]) -> str:
        return _asked(run, params, unit) or str(unit.last_ended(run.run_after))

    return partition


def newest_features(pipeline: str, first_job: str, unit: Partitioning = DAY) -> Macro:
    """A macro for runs that follow published features: the run's key, else the form's days, else the newest published.

    A run keeps the days it began with: what its first job left says which, so that a run cleared a week later does
    not change its subject.

    Args:
        pipeline: name of the pipeline.
        first_job: the run's first job, whose record names the days.
        unit: what a partition holds.
    """

    def partition(run: Run, params: Mapping[str, Any]) -> str:
        return _asked(run, params, unit) or _settled(pipeline, run.run_id, first_job, unit)

    return partition


def _asked(run: Run, params: Mapping[str, Any], unit: Partitioning) -> str | None:
    try:
        named = _named(run.partition_key, params.get("as_of") or params.get("first"), params.get("last"))
        return str(named.by(unit)) if named else None
    except UsageError as error:
        raise AirflowFailException(str(error)) from None


def _named(key: str | None, first: str | None, last: str | None) -> PartitionRange | None:
    """The partitions that somebody named; None where nobody named any."""
    if key:
        return PartitionRange.parse(key)
    if last and not first:
        raise UsageError(f"the form names the last day {last} but no first day: fill in both, or the first alone")
    return PartitionRange.parse(f"{first}{SEPARATOR}{last or first}") if first else None


def _settled(pipeline: str, run_id: str, first_job: str, unit: Partitioning) -> str:
    from tidewheel.lake import Lake
    from tidewheel.runs import read_record

    lake = Lake.open(pipeline)
    try:
        return read_record(lake, run_id, first_job).partition
    except LakeError:
        return _newest(lake, unit)


def _newest(lake: Lake, unit: Partitioning) -> str:
    newest = lake.newest("features", unit)
    if newest is None:
        raise AirflowFailException(
            f"{lake.pipeline} has no published features yet: run {lake.pipeline}.features first, "
            "or name a day in the form"
        )
    return newest
