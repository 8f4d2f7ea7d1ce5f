"""A day's predictions with the labels that have come to be known for them, and the columns they are looked at by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from bentos.outputs import Outputs
from jobs.data.label_numbers import label_numbers
from jobs.data.landed_columns import with_landed_columns
from jobs.data.request_log import RequestLog
from jobs.monitoring.predictions import VERSION, answer_columns
from jobs.monitoring.text_keys import as_written, with_text_keys
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidewheel.lake import Lake, Manifest
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

SOURCE = "_source"
"""What a prediction counts as; a column called `source` may well be a feature."""
MAIN, ONLINE, ELSEWHERE = "main", "online", "elsewhere"
"""The predictions that the pipeline is judged by (of the batch, or made online where there is no batch), those that
were made online beside a batch, and those of them about rows of other days."""
DATASETS = ("predictions", "labels")


@dataclass(frozen=True)
class LabelledPredictions:
    """One day.

    Attributes:
        day: the day of the rows.
        rows: `prediction` (and `probability_<class>` for multiclass), `model_version`, `SOURCE` (main, online, or
            elsewhere: answered online on the day, about a row that is none of the day's), the label (NaN: unknown; for
            multiclass the place of its class), and the requested columns; one row a prediction.
        missing: what is missing, for a person; empty where nothing is.
        inputs: the batches looked at, `dataset/partition` to content hash.
        unlabelled: hashes of the keys that a label of a later day may still come for.
    """

    day: str
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    unlabelled: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))


def labelled_predictions(
    lake: Lake, settings: Settings, pipeline: Pipeline, day: str, columns: list[str]
) -> LabelledPredictions:
    """Join a day's predictions, made in the batch or online, with its published labels.

    The entity key joins within the day of the event time, and the event time itself where both sides have it: a key may
    come again on another day, and is another event then. So a request joins where it was answered on the row's own day;
    the others are marked. Whether the labels had become known is the caller's question: it asks for matured days only.
    A label that arrived twice counts once, a row without one is unknown.

    Args:
        lake: the pipeline's lake.
        settings: name the request log's folder.
        pipeline: names key, event time and label.
        day: the day, YYYY-MM-DD.
        columns: features, or columns of the landed rows, to look at the rows by.

    Returns:
        The rows; a day without predictions or labels says so, and is no failure.
    """
    predictions, labels = (lake.published(dataset, day) for dataset in DATASETS)
    key = pipeline.key
    known = _labels(lake, pipeline, labels) if labels else pa.table({})
    said = _online(settings, pipeline, day, known.schema)
    if labels is None or (predictions is None and said.empty):
        gone = [
            name for name, absent in (("predictions", said.empty and not predictions), ("labels", not labels)) if absent
        ]
        return LabelledPredictions(day, missing=f"no {' and '.join(gone)} of {day}")
    if predictions is not None:
        batch = _batch(lake, pipeline, predictions)
        said = batch if said.empty else pd.concat([batch, said], ignore_index=True)
    labelled = with_text_keys(known, key).to_pandas().dropna(subset=[pipeline.labels.column])
    labelled = labelled.drop_duplicates(key, keep="last")
    if pipeline.task == "multiclass":
        label = pipeline.labels.column
        labelled = labelled.assign(**{label: label_numbers(labelled[label], pipeline)})
    if labelled.empty:
        return LabelledPredictions(
            day, missing=f"no label of {day} is known yet", inputs=input_hashes(predictions, labels)
        )
    features = lake.published("features", day)
    rows = _joined(said, labelled, key, pipeline.source.event_time)
    if (online := rows[SOURCE] == ONLINE).any():
        theirs = [labelled, *([with_text_keys(lake.read(features, key), key).to_pandas()] if features else [])]
        days = pd.MultiIndex.from_frame(pd.concat([frame[key] for frame in theirs]))
        rows.loc[online & ~pd.MultiIndex.from_frame(rows[key]).isin(days), SOURCE] = ELSEWHERE
    if columns and features is not None:
        there = [name for name in columns if name in features.columns]
        looked_at = with_text_keys(lake.read(features, [*key, *there]), key).to_pandas()
        rows = rows.merge(looked_at, on=key, how="left")
    rows = with_landed_columns(lake, rows, key, pd.Series(day, index=rows.index), columns)
    return LabelledPredictions(day, rows, inputs=input_hashes(predictions, labels))


def _batch(lake: Lake, pipeline: Pipeline, manifest: Manifest) -> pd.DataFrame:
    event_time = [name for name in [pipeline.source.event_time] if name in manifest.columns]
    answers = answer_columns(pipeline, manifest.columns)
    table = lake.read(manifest, [*pipeline.key, *event_time, *answers])
    frame: pd.DataFrame = with_text_keys(table, pipeline.key).to_pandas()
    return frame.assign(**{SOURCE: MAIN})


def _online(settings: Settings, pipeline: Pipeline, day: str, known: pa.Schema) -> pd.DataFrame:
    """What the endpoint answered on the day, where callers named the row; of several answers the last of a version."""
    start = datetime.combine(day_of(day), time(), UTC)
    names = {f"key.{name}": name for name in pipeline.key}
    selected = [*names, *Outputs(tuple(pipeline.labels.classes)).columns, VERSION, "mirrored"]
    requests = RequestLog(settings, pipeline.name, unit=pipeline.block)
    log = requests.between(start, start + pipeline.block.step, selected)
    answers = answer_columns(pipeline, log.columns)
    if not {*names, *answers, "mirrored"} <= set(log.columns):
        return pd.DataFrame(columns=[*pipeline.key, *answers, SOURCE])
    answered = log[~log["mirrored"].astype(bool)].rename(columns=names).dropna(subset=pipeline.key)
    texts = {name: pa.chunked_array([pa.array(answered[name], pa.string())]) for name in pipeline.key}
    answered = answered.assign(**{name: as_written(said, name, known).to_pandas() for name, said in texts.items()})
    answered = answered.drop_duplicates([*pipeline.key, "model_version"], keep="last")
    return answered[[*pipeline.key, *answers]].assign(**{SOURCE: ONLINE})


def _labels(lake: Lake, pipeline: Pipeline, manifest: Manifest) -> pa.Table:
    event_time = [name for name in [pipeline.source.event_time] if name in manifest.columns]
    return lake.read(manifest, [*pipeline.key, *event_time, pipeline.labels.column])


def _joined(said: pd.DataFrame, known: pd.DataFrame, key: list[str], event_time: str) -> pd.DataFrame:
    other = "_known_" + event_time
    rows = said.merge(known.rename(columns={event_time: other}), on=key, how="left")
    if event_time in said and other in rows:
        # the same key at another time is another event: its label says nothing about this prediction
        apart = rows[event_time].notna() & rows[other].notna() & (rows[event_time] != rows[other])
        label = next(name for name in known.columns if name not in (*key, event_time))
        rows.loc[apart, label] = float("nan")
    return rows.drop(columns=[other], errors="ignore")


def input_hashes(*manifests: Manifest | None) -> dict[str, str]:
    """The batches that were looked at, `dataset/partition` to content hash."""
    return {manifest.key: manifest.content_hash for manifest in manifests if manifest is not None}
