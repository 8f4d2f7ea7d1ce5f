"""Which batches a model learns from and is judged on, by hash: `assemble` decides, `train` and `evaluate` read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from jobs.data.label_numbers import label_numbers
from jobs.data.weight_rules import refuse_unusable_weights
from tidewheel.errors import DataRefused, LakeError
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.verified import read_document
from tidewheel.partitions import day_of
from tidewheel.runs import BatchReference, run_folder
from tidewheel.tracing import step

if TYPE_CHECKING:
    import pandas as pd

    from tidewheel.spec import Pipeline

PARTITION = "partition"
TRAINING_DATA_FILE = "training_data.json"


class LabelledDay(BaseModel):
    """One day of features and the labels that came to be known for it."""

    model_config = ConfigDict(frozen=True)

    day: date
    features: BatchReference
    labels: BatchReference

    @property
    def rows(self) -> int:
        """At most this many rows have both."""
        return min(self.features.rows, self.labels.rows)


class TrainingData(BaseModel):
    """The exact data of one training run."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    as_of: date = Field(description="the day the run looks back from")
    matured_until: date = Field(description="newest day whose labels are known on that day")
    training: tuple[LabelledDay, ...] = Field(description="days to learn from, oldest first")
    holdout: tuple[LabelledDay, ...] = Field(description="later days, reserved for the gate")
    alarmed: bool = Field(default=False, description="an alarm called for it, and days are still to be tried out")
    fallen: bool = Field(default=False, description="that alarm was of something badly wrong")
    changed: date | None = Field(default=None, description="since when the champion's loss is higher, if it is")
    since: date | None = Field(default=None, description="the first day that is learned from, where it is not all")
    tried: str = Field(default="", description="what came of trying days out")
    cost: int = Field(default=1, description="what it cost to find that out and to fit, in fits of all days")

    @property
    def training_rows(self) -> int:
        """At most this many rows to learn from."""
        return sum(day.rows for day in self.training)

    @property
    def data_hash(self) -> str:
        """Names the training data by content: same batches, same hash."""
        return data_hash(self.training)

    @property
    def inputs(self) -> dict[str, str]:
        """Every batch by `dataset/partition`, for the job's record."""
        batches = [b for d in (*self.training, *self.holdout) for b in (d.features, d.labels)]
        return {f"{b.dataset}/{b.partition}": b.content_hash for b in batches}

    def learning_since(self, first: date | None) -> TrainingData:
        """The same without the days before one; None: all of them."""
        days = tuple(day for day in self.training if first is None or day.day >= first)
        return self.model_copy(update={"training": days, "since": first})


def data_hash(days: Sequence[LabelledDay]) -> str:
    """Names the data of some days by content."""
    batches = [[str(d.day), d.features.content_hash, d.labels.content_hash] for d in days]
    return hashlib.sha256(json.dumps(batches).encode()).hexdigest()


def choose_training_data(lake: Lake, pipeline: Pipeline, as_of: date, held: int | None = None) -> TrainingData:
    """Name what a training as of a day may use: published days whose labels had matured by then.

    The newest of them are reserved for the gate. A day without published labels is unknown and left out, and so is one
    whose features were built before the pipeline had all its columns.

    Args:
        lake: the pipeline's lake.
        pipeline: its declaration.
        as_of: the day the training looks back from.
        held: days to keep for the gate; None: as many as for the routine; 0: none, all are learned from.

    Raises:
        DataRefused: too few days, or fewer rows than `training.minimum_rows`.
    """
    days, lacking = labelled_days(lake, pipeline, matured_until(pipeline, as_of))
    return divide_days(pipeline, days, as_of, lacking, held)


def matured_until(pipeline: Pipeline, as_of: date) -> date:
    """The newest day whose labels are known on a day."""
    return pipeline.block.before(as_of, pipeline.labels.delay_days)


def labelled_days(lake: Lake, pipeline: Pipeline, until: date) -> tuple[list[LabelledDay], list[Manifest]]:
    """The published days up to one that have labels, oldest first; and those whose features lack a column."""
    known = set(lake.partitions("labels"))
    features = [lake.need("features", k) for k in lake.partitions("features") if k in known and k <= str(until)]
    lacking = [m for m in features if not m.columns.keys() >= set(pipeline.feature_columns)]
    return [_labelled_day(lake, manifest) for manifest in features if manifest not in lacking], lacking


def divide_days(
    pipeline: Pipeline,
    days: Sequence[LabelledDay],
    as_of: date,
    lacking: Sequence[Manifest] = (),
    held: int | None = None,
) -> TrainingData:
    """Divide the days that have matured into those to learn from and the newest, which are reserved for the gate.

    More than the declared days are reserved only as far as three times as many are left to learn from.

    Args:
        pipeline: says how far back.
        days: days with labels, oldest first; later ones than have matured are not looked at.
        as_of: the day the training looks back from.
        lacking: days that could not be used, for the message.
        held: days to keep for the gate; None: as many as for the routine; 0: none, all are learned from.

    Raises:
        DataRefused: too few days, or fewer rows than `training.minimum_rows`.
    """
    until = matured_until(pipeline, as_of)
    matured = [day for day in days if day.day <= until]
    declared = pipeline.held_days()
    count = declared if held is None else min(held, max(declared, len(matured) // 4))
    learned, holdout = (matured[:-count], matured[-count:]) if count else (matured, [])
    if learned and pipeline.training.window_days is not None:
        first = pipeline.block.before(learned[-1].day, pipeline.training.window_days - 1)
        learned = [day for day in learned if day.day >= first]
    chosen = TrainingData(
        pipeline=pipeline.name,
        as_of=as_of,
        matured_until=until,
        training=tuple(learned),
        holdout=tuple(holdout),
    )
    if chosen.training_rows < pipeline.training.minimum_rows:
        raise DataRefused(_too_few(pipeline, chosen, matured, lacking))
    return chosen


def _too_few(pipeline: Pipeline, chosen: TrainingData, days: Sequence[LabelledDay], lacking: Sequence[Manifest]) -> str:
    span = f"{days[0].day} to {days[-1].day}" if days else "none"
    old, unit = "", pipeline.block
    if lacking:
        gone = sorted(set(pipeline.feature_columns) - lacking[0].columns.keys())
        old = f", and {len(lacking)} more whose features lack {', '.join(gone)} and must be built again"
    return (
        f"{pipeline.name}: {chosen.training_rows:,} rows of {len(chosen.training)} {unit}s to train on as of "
        f"{chosen.as_of}, training.minimum_rows requires {pipeline.training.minimum_rows:,}. {unit.capitalize()}s with "
        f"features and matured labels (known by {chosen.matured_until}): {len(days)} ({span}), of which the newest "
        f"{len(chosen.holdout)} are reserved for the gate{old}. "
        f"Build more {unit}s with the {pipeline.name}.features DAG, or lower training.minimum_rows"
    )


def keep_training_data(lake: Lake, run_id: str, chosen: TrainingData) -> str:
    """Keep the list beside the run's records; returns its path relative to the lake's root."""
    path = _path(lake, run_id)
    lake.store.replace(path, chosen.model_dump_json(indent=2).encode())
    return path


def read_training_data(lake: Lake, run_id: str) -> TrainingData:
    """The list that this run's `assemble` recorded.

    Raises:
        LakeError: there is none, or it is cut off or another pipeline's.
    """
    content = lake.store.read(_path(lake, run_id))
    if content is None:
        raise LakeError(
            f"{lake.store.url(_path(lake, run_id))} is missing: job assemble of run {run_id} has not finished"
        )
    url, remedy = lake.store.url(_path(lake, run_id)), f"run the job assemble of run {run_id} again"
    data = read_document(TrainingData, content, url, "a list of training data", remedy)
    if data.pipeline != lake.pipeline:
        raise LakeError(f"{url} is the training data of {data.pipeline}, in the wrong place; {remedy}")
    return data


@step("read")
def labelled_rows(lake: Lake, pipeline: Pipeline, days: Sequence[LabelledDay]) -> pd.DataFrame:
    """Features joined with their labels by day and entity key.

    A row without a label is unknown: it is left out, never taken for a negative.

    Args:
        lake: the pipeline's lake.
        pipeline: names the key, the feature columns and the label.
        days: batches by hash.

    Returns:
        Day (`partition`), key columns, feature columns, the weight where there is one, and the label as float64 (of
        several classes its place among them), in the order of days and files.

    Raises:
        LakeError: a batch is gone, or a byte of it is another than was assembled.
        DataRefused: a label is there twice or is no label of the task, or a weight is none.
    """
    label, key = pipeline.labels.column, [PARTITION, *pipeline.key]
    features = _read(lake, [day.features for day in days], [*pipeline.key, *pipeline.feature_columns])
    labels = _read(lake, [day.labels for day in days], [*pipeline.key, label])
    labels = labels[labels[label].notna()]
    if (twice := labels.duplicated(key)).any():
        example = labels.loc[twice, key].iloc[0].to_dict()
        raise DataRefused(f"{pipeline.name}: {twice.sum()} labels are there twice, for example {example}")
    rows = features.merge(labels, on=key, how="inner")
    rows[label] = label_numbers(rows[label], pipeline)
    if pipeline.task == "classification" and not rows[label].isin((0.0, 1.0)).all():
        found = sorted(rows.loc[~rows[label].isin((0.0, 1.0)), label].unique())[:5]
        raise DataRefused(f"{pipeline.name}: label {label} must be 0 or 1, found {found}")
    if pipeline.task == "regression" and pipeline.loss.name == "poisson" and (negative := rows[label] < 0).any():
        raise DataRefused(
            f"{pipeline.name}: label {label} is negative in {negative.sum():,} of {len(rows):,} rows, for example "
            f"{rows.loc[negative, label].iloc[0]:g} on {rows.loc[negative, PARTITION].iloc[0]}; `loss: poisson` is of "
            "labels of 0 or more: correct these labels and land their days again, or take another training.loss"
        )
    if (weight := pipeline.training.sample_weight) is not None and len(rows):
        refuse_unusable_weights(rows[weight], rows[PARTITION], pipeline.name)
    return rows


def _read(lake: Lake, batches: Sequence[BatchReference], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for batch in batches:
        manifest = lake.manifest(batch.dataset, batch.partition, batch.content_hash)
        frame = lake.read(manifest, columns).to_pandas()
        frame.insert(0, PARTITION, batch.partition)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[PARTITION, *columns])


def _labelled_day(lake: Lake, features: Manifest) -> LabelledDay:
    labels = lake.need("labels", features.partition)
    batches = [
        BatchReference(dataset=m.dataset, partition=m.partition, content_hash=m.content_hash, rows=m.rows)
        for m in (features, labels)
    ]
    return LabelledDay(day=day_of(features.partition), features=batches[0], labels=batches[1])


def _path(lake: Lake, run_id: str) -> str:
    return f"{lake.pipeline}/runs/{run_folder(run_id)}/{TRAINING_DATA_FILE}"
