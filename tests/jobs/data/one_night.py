"""A pipeline over tables that a test has in its hands: landed, and made into features, by the jobs' own functions."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jobs.data.feature_inputs import FeatureInputs
from jobs.job import Job, Result
from tidewheel.lake import Lake, Manifest
from tidewheel.options import FeaturesOptions, JobOptions, LandOptions
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SOURCE: dict[tuple[str, date], pa.Table] = {}
"""What the source has: by `rows` or `labels`, and day."""
TRANSFORM: list[Callable[[FeatureInputs], DataFrame]] = []
"""The transform of the test that runs, as its only item."""


def rows(day: date) -> pa.Table:
    """The reader of rows."""
    return SOURCE["rows", day]


def labels(day: date) -> pa.Table:
    """The reader of labels."""
    return SOURCE.get(("labels", day), pa.table({"id": pa.array([], pa.string()), "label": pa.array([], pa.int64())}))


def transform(inputs: FeatureInputs) -> DataFrame:
    """The transform."""
    return TRANSFORM[0](inputs)


def through(inputs: FeatureInputs) -> DataFrame:
    """A transform that hands on the rows of the asked days."""
    return inputs.rows.where(inputs.is_asked)


def _of_job(job: str, name: str) -> Any:
    """A function of a job's module, which does not stay imported: other tests run it as a program."""
    there = f"jobs.{job}" in sys.modules
    module = importlib.import_module(f"jobs.{job}")
    if not there:
        del sys.modules[f"jobs.{job}"]
    return getattr(module, name)


@dataclass
class OneNight:
    """The pipeline, and a folder that its lake may have."""

    folder: Path
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    task: str = "classification"
    types: Mapping[str, str] = field(default_factory=dict)
    look_back: int = 2
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pipeline(self) -> Pipeline:
        """The declaration."""
        reader = {"kind": "python", "function": f"{__name__}:rows"}
        return Pipeline.model_validate(
            {
                "name": "night",
                "description": "A night",
                "owner": {"team": "tests"},
                "task": self.task,
                "source": {"reader": reader, "event_time": "at", "entity_key": ["id"], "types": dict(self.types)},
                "labels": {"reader": {**reader, "function": f"{__name__}:labels"}, "column": "label"},
                "features": {
                    "transform": f"{__name__}:transform",
                    "look_back_days": self.look_back,
                    "numeric": self.numeric,
                    "categorical": self.categorical,
                },
                "training": dict(self.training),
            }
        )

    @property
    def settings(self) -> Settings:
        """Settings of an installation of its own."""
        return Settings(home=self.folder, project=self.folder)

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return Lake.open("night", self.settings)

    def _job(self, options: JobOptions, first: date, last: date) -> Job:
        name, days = options.record, PartitionRange(first, last)
        return Job(name, self.pipeline, days, name, self.settings, self.lake, options, "test")

    def land(self, first: date, last: date | None = None) -> Result:
        """Land what `SOURCE` has of some days, and publish it."""
        result: Result = _of_job("land", "work")(self._job(LandOptions(), first, last or first))
        for manifest in result.outputs:
            self.lake.publish(manifest)
        return result

    def landed(self, day: date, dataset: str = "landing") -> pa.Table:
        """What was published of a day."""
        return self.lake.read(self.lake.need(dataset, str(day)))

    def features(self, spark: SparkSession, days: list[date], how: Callable[[FeatureInputs], Any]) -> list[Manifest]:
        """Compute and publish the features of some days."""
        TRANSFORM[:] = [how]
        job = self._job(FeaturesOptions(), days[0], days[-1])
        there = {dataset: self.lake.partitions(dataset) for dataset in ("landing", "labels")}
        found = {name: {key: self.lake.need(name, key) for key in keys} for name, keys in there.items()}
        made: list[Manifest] = _of_job("features", "build")(spark, job, days, found["landing"], found["labels"])
        for manifest in made:
            self.lake.publish(manifest)
        return made
