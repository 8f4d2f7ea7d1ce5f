"""Everything that the code of a pipeline imports from Tidewheel; other modules may change from version to version.

In a DAG file: `pipeline_dags`. In a reader: `DataRefused`, `SourceError`, `partition_bounds`, `project_folder`. In a
transform: `FeatureInputs`, `PARTITION`, `column`, `SpecError`, and functions that add what was known at the time of a
row: `add_trailing_rates` of labels; `add_trailing_counts`, `add_trailing_sums`, `add_trailing_distinct_counts` and
`add_last_values` of rows; `as_of_join` of any table. In a test: `features_of`. `Pipeline` and `PartitionRange` are the
types of two of a transform's inputs.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.errors import DataRefused, SourceError, SpecError
from tidewheel.hours import start_of
from tidewheel.partitions import Partitioning, PartitionRange
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    from jobs.as_of import add_last_values, as_of_join
    from jobs.checking.trial import features_of
    from jobs.data.column_names import PARTITION
    from jobs.data.feature_inputs import FeatureInputs, column
    from jobs.lookback import add_trailing_rates
    from jobs.trailing import add_trailing_counts, add_trailing_distinct_counts, add_trailing_sums
    from plugins.factory import pipeline_dags

__all__ = [
    "PARTITION",
    "DataRefused",
    "FeatureInputs",
    "PartitionRange",
    "Pipeline",
    "SourceError",
    "SpecError",
    "add_last_values",
    "add_trailing_counts",
    "add_trailing_distinct_counts",
    "add_trailing_rates",
    "add_trailing_sums",
    "as_of_join",
    "column",
    "features_of",
    "partition_bounds",
    "pipeline_dags",
    "project_folder",
]

# Imported when they are first used: a reader needs no Spark, a DAG file no job, and a job no Airflow.
_HEAVY = {
    "PARTITION": "jobs.data.column_names",
    "FeatureInputs": "jobs.data.feature_inputs",
    "add_last_values": "jobs.as_of",
    "add_trailing_counts": "jobs.trailing",
    "add_trailing_distinct_counts": "jobs.trailing",
    "add_trailing_rates": "jobs.lookback",
    "add_trailing_sums": "jobs.trailing",
    "as_of_join": "jobs.as_of",
    "column": "jobs.data.feature_inputs",
    "features_of": "jobs.checking.trial",
    "pipeline_dags": "plugins.factory",
}


def project_folder() -> Path:
    """The project's folder, for files that a reader opens.

    Raises:
        SettingsError: there is no project at TIDEWHEEL_PROJECT, in this folder or above it.
    """
    return load_settings().project


def partition_bounds(pipeline: str, first: date) -> tuple[datetime, datetime]:
    """When a partition begins and when the next one does, in UTC: its rows are those from the one until the other.

    A reader that selects rows by time needs no change where the pipeline turns from days to weeks or hours.

    Args:
        pipeline: its name; its file says whether a partition is an hour, a day or a week.
        first: what a reader is called with: a day, a week's Monday, or an hour.

    Raises:
        SpecError: there is no such pipeline, or its file is wrong.
        SettingsError: there is no project at TIDEWHEEL_PROJECT, in this folder or above it.
    """
    folder = load_settings().pipelines_folder
    file = folder / f"{pipeline}.yaml"
    unit = _unit(folder, pipeline, file.stat().st_mtime_ns if file.exists() else 0)
    return start_of(first), start_of(unit.after(first))


@lru_cache(maxsize=100)
def _unit(folder: Path, pipeline: str, changed: int) -> Partitioning:
    """A reader is called for each partition, and its pipeline's file is read once, until it has changed."""
    return find_pipeline(folder, pipeline).partition


def __getattr__(name: str) -> Any:
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; expected one of {', '.join(__all__)}")
    return getattr(import_module(_HEAVY[name]), name)
