"""A day's answers of a pipeline without batch scoring, with the labels that have come to be known for them.

An answer is about a row that its caller names by the entity key. The label is that of the day of the answer where the
key has one there, and else the first that the key gets on a later day: a loan is scored in May and repaid in June.
A label of an earlier day was known when the answer was given, and says nothing about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bentos.segments import FEATURE, KEY
from jobs.data.label_numbers import label_numbers
from jobs.data.landed_columns import with_landed_columns
from jobs.data.request_log import DATASET
from jobs.monitoring.answered_rows import answered_day, read_answered
from jobs.monitoring.labelled_predictions import MAIN, SOURCE, LabelledPredictions, input_hashes
from jobs.monitoring.predictions import answer_columns
from jobs.monitoring.text_keys import as_written, joined_key, with_text_keys
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

LABELS = "labels"
_DAY = "_tidewheel_label_day"


def labelled_answers(
    lake: Lake, pipeline: Pipeline, day: str, until: str, columns: Sequence[str]
) -> LabelledPredictions:
    """Join the answers of a day with the labels of that day and of later ones.

    Args:
        lake: the pipeline's lake.
        pipeline: names key and label.
        day: the day on which was answered, YYYY-MM-DD.
        until: the last day whose labels are known.
        columns: features as callers sent them, or columns of the landed rows, to look at the rows by.

    Returns:
        The answers whose caller named the row; a day without them, or without any label, says so.
    """
    answered, labels = answered_day(lake, pipeline, day), list(published_labels(lake, pipeline, day, until))
    inputs = input_hashes(answered.manifest if answered else None, *labels)
    if answered is None:
        return LabelledPredictions(day, missing=f"no requests of {day}", inputs=inputs)
    if not len(answered.named):
        return LabelledPredictions(
            day, missing=f"no request of {day} names its row (by {', '.join(pipeline.key)})", inputs=inputs
        )
    if not labels:
        return LabelledPredictions(day, missing=f"no labels of {day} or later", inputs=inputs)
    there = [name for name in columns if f"{FEATURE}{name}" in answered.manifest.columns]
    named = {f"{KEY}{name}": name for name in pipeline.key} | {f"{FEATURE}{name}": name for name in there}
    answers = answer_columns(pipeline, answered.manifest.columns)
    sent = read_answered(lake, answered, answered.named, [*dict.fromkeys([*named, *answers])])
    sent = sent.rename_columns([named.get(name, name) for name in sent.column_names])
    for name in pipeline.key:
        at = sent.column_names.index(name)
        sent = sent.set_column(at, name, as_written(sent[name], name, _schema(lake, labels[0], pipeline)))
    truth, days, unlabelled = _first_labels(lake, pipeline, sent, day, labels)
    if np.isnan(truth).all():
        return LabelledPredictions(
            day, missing=f"no label of a row that was requested on {day} is known yet", inputs=inputs
        )
    absent = [name for name in columns if name not in there]
    rows: pd.DataFrame = sent.select([*(pipeline.key if absent else ()), *answers, *there]).to_pandas()
    rows[pipeline.labels.column], rows[SOURCE] = truth, MAIN
    if absent:
        rows = with_landed_columns(lake, rows, pipeline.key, pd.Series(days, index=rows.index), columns)
    return LabelledPredictions(day, rows, inputs=inputs, unlabelled=unlabelled)


def published_labels(lake: Lake, pipeline: Pipeline, day: str, until: str) -> Iterator[Manifest]:
    """The labels of the days `day` to `until`, oldest first; days without any are left out."""
    unit, last = pipeline.block, day_of(until)
    for one in unit.newest(last, unit.between(day_of(day), last) + 1):
        if (manifest := lake.published(LABELS, str(one))) is not None:
            yield manifest


def answer_inputs(lake: Lake, pipeline: Pipeline, day: str, until: str) -> dict[str, str]:
    """What the figures of a day's answers come from; empty where there are no requests or no labels."""
    requests, labels = lake.published(DATASET, day), list(published_labels(lake, pipeline, day, until))
    return input_hashes(requests, *labels) if requests is not None and labels else {}


def label_key_hashes(lake: Lake, pipeline: Pipeline, labels: Manifest) -> NDArray[np.uint64]:
    """The keys of a day that have a label, as `LabelledPredictions.unlabelled` has them."""
    known = _known(lake, pipeline, labels)
    return _hashed(joined_key(known, pipeline.key))


def _first_labels(
    lake: Lake, pipeline: Pipeline, sent: pa.Table, day: str, labels: Sequence[Manifest]
) -> tuple[NDArray[np.float64], NDArray[np.object_], NDArray[np.uint64]]:
    """The label of each answer (NaN: unknown), the day it is of, and the keys that have none."""
    key = joined_key(sent, pipeline.key)
    truth, days = np.full(len(key), np.nan), np.full(len(key), day, dtype=object)
    places = np.arange(len(key))
    for manifest in labels:
        known = _known(lake, pipeline, manifest)
        newest_first = known.take(pa.array(np.arange(known.num_rows)[::-1]))
        found = pc.index_in(key, value_set=joined_key(newest_first, pipeline.key).combine_chunks())
        there = found.is_valid().to_numpy()
        truth[places[there]] = newest_first[pipeline.labels.column].take(found.drop_null()).to_numpy()
        days[places[there]] = manifest.partition
        places, key = places[~there], key.filter(pa.array(~there))
        if not len(places):
            break
    return truth, days, np.unique(_hashed(key))


def _known(lake: Lake, pipeline: Pipeline, manifest: Manifest) -> pa.Table:
    column = pipeline.labels.column
    known = lake.read(manifest, [*pipeline.key, column])
    if pipeline.task == "multiclass":
        values = pa.chunked_array([label_numbers(known[column].to_pandas(), pipeline)])
    else:
        values = known[column].cast(pa.float64(), safe=False)
    known = known.set_column(known.column_names.index(column), column, values)
    return with_text_keys(known.filter(pc.is_finite(values)), pipeline.key)


def _schema(lake: Lake, manifest: Manifest, pipeline: Pipeline) -> pa.Schema:
    return lake.read(manifest, pipeline.key).schema


def _hashed(key: pa.ChunkedArray) -> NDArray[np.uint64]:
    return pd.util.hash_array(key.to_numpy(), categorize=False) if len(key) else np.empty(0, np.uint64)
