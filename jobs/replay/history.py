"""The history that is played, and what was known of it on each day.

Nothing of a play sees the history itself: it is handed `Known`, which has no way to tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.data.training_data import (
    PARTITION,
    LabelledDay,
    TrainingData,
    data_hash,
    divide_days,
    labelled_days,
    labelled_rows,
    matured_until,
)
from jobs.models.prediction import model_frame
from jobs.models.row_weights import weights_of
from jobs.training.fitting import TrainingRows
from tidewheel.errors import DataRefused
from tidewheel.lake import Lake
from tidewheel.partitions import Partitioning, PartitionRange, consecutive
from tidewheel.quantities import quantity
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class History:
    """All days of a pipeline with their labels, in memory.

    Attributes:
        pipeline: whose history it is.
        days: the batches by hash, oldest first.
        rows: their labelled rows, in the order of the days.
        spans: first row of each day, and the one after its last.
    """

    pipeline: Pipeline
    days: tuple[LabelledDay, ...]
    rows: TrainingRows
    spans: Mapping[date, tuple[int, int]]

    @classmethod
    def read(cls, lake: Lake, pipeline: Pipeline, played: PartitionRange) -> History:
        """Read what the lake has until the last played day.

        Raises:
            DataRefused: a day to be played has no features or labels, or a label is no label.
        """
        days, _ = labelled_days(lake, pipeline, played.last)
        _check_played(pipeline, played, {day.day for day in days}, lake)
        return cls.of(pipeline, days, labelled_rows(lake, pipeline, days))

    @classmethod
    def of(cls, pipeline: Pipeline, days: Sequence[LabelledDay], labelled: pd.DataFrame) -> History:
        """The history of some days.

        Args:
            pipeline: names features and label.
            days: oldest first.
            labelled: their rows, as `jobs.data.training_data.labelled_rows` gives them.
        """
        column = labelled[PARTITION]
        starts = np.searchsorted(column.to_numpy(dtype="U10"), [str(day.day) for day in days])
        ends = [*starts[1:], len(labelled)]
        rows = TrainingRows(
            model_frame(labelled, pipeline.features),
            labelled[pipeline.labels.column].to_numpy(dtype="float64"),
            column.astype(str),
            weights_of(labelled, pipeline),
        )
        spans = {day.day: (int(a), int(b)) for day, a, b in zip(days, starts, ends, strict=True)}
        return cls(pipeline, tuple(days), rows, spans)

    def days_of(self, played: PartitionRange) -> list[date]:
        """The days of a range that have rows; on the others nothing happened."""
        return [day for day in played.days if day in self.spans]

    @property
    def fingerprint(self) -> str:
        """Names the data by content."""
        return data_hash(self.days)

    def on(self, day: date) -> Known:
        """What is known at the end of a day."""
        return Known(self, day)

    def taken(self, days: Sequence[date]) -> TrainingRows:
        """The labelled rows of some days, in order."""
        spans = [self.spans[day] for day in days]
        where: Any
        if not spans:
            where = slice(0, 0)
        elif all(before[1] == after[0] for before, after in pairwise(spans)):
            where = slice(spans[0][0], spans[-1][1])  # a view: most trainings are of consecutive days
        else:
            where = [row for a, b in spans for row in range(a, b)]
        return self.rows.taken(where)


@dataclass(frozen=True)
class Known:
    """What is known at the end of a day: the features until then, and the labels that have matured."""

    history: History
    as_of: date

    @property
    def matured_until(self) -> date:
        """The newest day whose labels are known."""
        return matured_until(self.history.pipeline, self.as_of)

    def training_data(self, pipeline: Pipeline, held: int | None = None) -> TrainingData:
        """What a training would learn from and be judged on, as job `assemble` chooses it.

        Args:
            pipeline: its declaration.
            held: days to keep for the gate; None: as many as for the routine.

        Raises:
            DataRefused: too few days or rows.
        """
        return divide_days(pipeline, self.history.days, self.as_of, held=held)

    def matured(self) -> list[LabelledDay]:
        """The days whose labels are known, oldest first."""
        return [day for day in self.history.days if day.day <= self.matured_until]

    def labelled(self, days: Sequence[date]) -> TrainingRows:
        """Labelled rows of some days.

        Raises:
            ValueError: a label of these days is not known yet.
        """
        if early := [day for day in days if day > self.matured_until]:
            raise ValueError(f"labels of {early[0]} are not known on {self.as_of}")
        return self.history.taken(days)

    def frame(self, day: date) -> pd.DataFrame:
        """Feature columns of a day's rows.

        Raises:
            ValueError: the day has not come yet.
        """
        if day > self.as_of:
            raise ValueError(f"{day} is not known on {self.as_of}")
        return self.history.taken([day]).frame


def _check_played(pipeline: Pipeline, played: PartitionRange, there: set[date], lake: Lake) -> None:
    days = sorted(day for day in there if played.first <= day <= played.last)
    missing = [day for day in played.days if day not in there]
    if pipeline.source.empty_days == "skip" and days:  # between the first and the last, days may have no rows
        missing = [day for day in missing if not days[0] < day < days[-1] or lake.published("landing", str(day))]
    if not missing:
        return
    named = partial(_named, unit=pipeline.block)
    featured = set(lake.partitions("features"))
    bare = [day for day in missing if str(day) not in featured]
    said = f"{pipeline.name}: {len(missing)} of the {len(played.days)} {pipeline.block}s to be played have no "
    if bare:
        raise DataRefused(f"{said}features with labels in the lake: {named(missing)}. {_ways_to_make(pipeline, bare)}")
    known = set(lake.partitions("labels"))
    if unlabelled := [day for day in missing if str(day) not in known]:
        raise DataRefused(f"{said}labels: {named(unlabelled)}. {_ways_to_labels(pipeline, unlabelled, days)}")
    raise DataRefused(
        f"{said}features of all the columns that {pipeline.name} declares: {named(missing)}. They were built before; "
        f"build them again. {_ways_to_make(pipeline, missing)}"
    )


def _named(days: Sequence[date], unit: Partitioning) -> str:
    spans = consecutive(days, unit)
    return ", ".join(str(span) for span in spans[:5]) + (", ..." if len(spans) > 5 else "")


def _ways_to_make(pipeline: Pipeline, days: Sequence[date]) -> str:
    """What to run, with the nights after the days on which their labels come to be known."""
    unit, delay, end = pipeline.block, pipeline.labels.delay_days, pipeline.source.end
    until = unit.after(days[-1], delay)
    whole = PartitionRange(days[0], max(days[-1], min(until, unit.holding(end))) if end else until, unit)
    return (
        f"Make them in Airflow (trigger {pipeline.name}.features with first day {whole.first} and last day "
        f"{whole.last}: labels are known {quantity(delay, unit)} later, and the first model needs days before those "
        f"that are played), or play days that are there, with --from and --to. Without Airflow: "
        f"{make_command(pipeline.name, whole)}"
    )


def _ways_to_labels(pipeline: Pipeline, days: Sequence[date], there: Sequence[date]) -> str:
    unit, delay, end = pipeline.block, pipeline.labels.delay_days, pipeline.source.end
    known = unit.after(days[-1], delay)
    play = f"Play until {there[-1]} (--to)" if there and there[-1] < days[0] else "Play days that have labels"
    if end and known > end:
        return (
            f"{play}: labels are landed {quantity(delay, unit)} after their {unit} (labels.delay_{unit}s), and no "
            f"night lands anything after source.end, {end}"
        )
    return (
        f"{play}, or land the nights on which they are known, {unit.after(days[0], delay)} to {known}. "
        f"If their reader has no labels for them, they stay unknown"
    )


def make_command(pipeline: str, days: PartitionRange) -> str:
    """The shell command that lands, judges and publishes days, and their features, without Airflow."""
    steps = '"land" "validate --stage raw" "features" "validate --stage features"'
    return (
        f"for job in {steps}; do python -m jobs.$job --pipeline {pipeline} --partition {days} --run-id history "
        "|| break; done"
    )
