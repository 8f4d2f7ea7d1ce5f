"""Some rows of each day, features and predictions, for comparisons of days: evenly drawn, and drawn once.

Rows are those that a night has computed and scored; of a pipeline without batch scoring, those that callers sent.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bentos.segments import FEATURE
from jobs.data.request_log import DATASET as REQUESTS
from jobs.monitoring.answered_rows import answered_day, read_answered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

PREDICTION = "prediction"
VERSION = "model_version"
MOST_ROWS = 2_000
"""Rows drawn of a day: more move no effect size, and cost minutes over weeks of large days."""


def rows_of_days(lake: Lake, pipeline: Pipeline, days: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Feature columns, prediction and version of some days, at most 2,000 rows each.

    Of a large day the drawn rows are stored beside its reports, under the hashes of what they were drawn from, so that
    the next nights need not read it again.

    Args:
        lake: the pipeline's lake.
        pipeline: names the columns, and whether it scores batches.
        days: keys of the days.

    Returns:
        Rows by day; days without published features (or requests) are left out, columns that a day had not are missing
        there.
    """
    if not pipeline.scoring.enabled:
        return answered_rows_of_days(lake, pipeline, days)
    frames = {}
    for day in days:
        features, predictions = (lake.published(dataset, day) for dataset in ("features", "predictions"))
        if features is not None and features.rows:
            frames[day] = _night(lake, pipeline, features, predictions)
    return frames


def answered_rows_of_days(lake: Lake, pipeline: Pipeline, days: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The same of what callers sent and were answered: each row as `jobs.monitoring.answered_rows` counts it."""
    frames = {}
    for day in days:
        requests = lake.published(REQUESTS, day)
        if requests is None or not requests.rows:
            continue
        path = f"{lake.pipeline}/reports/{day}/answered-{requests.short_hash}.parquet"
        draw = partial(_drawn_answers, lake, pipeline, day)
        rows = _kept(lake, path, draw) if requests.rows > MOST_ROWS else draw()
        if len(rows):
            frames[day] = rows
    return frames


def _night(lake: Lake, pipeline: Pipeline, features: Manifest, predictions: Manifest | None) -> pd.DataFrame:
    if features.rows <= MOST_ROWS:
        return _drawn(lake, pipeline, features, predictions)
    said = predictions.short_hash if predictions else "none"
    path = f"{lake.pipeline}/reports/{features.partition}/rows-{features.short_hash}-{said}.parquet"
    return _kept(lake, path, lambda: _drawn(lake, pipeline, features, predictions))


def _kept(lake: Lake, path: str, draw: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    content = lake.store.read(path)
    if content is not None and (frame := _whole(content)) is not None:
        return frame
    rows = draw()
    written = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_pandas(rows, preserve_index=False), written, compression="zstd", write_page_checksum=True
    )
    lake.store.replace(path, written.getvalue().to_pybytes())
    return rows


def _whole(content: bytes) -> pd.DataFrame | None:
    """Rows that were drawn before; None where the file is broken, and they are to be drawn again."""
    try:
        stored = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, pre_buffer=False)
        frame: pd.DataFrame = stored.read(use_threads=False).to_pandas()
    except (OSError, pa.ArrowInvalid):  # Arrow says OSError where a page is broken
        return None
    return frame


def _drawn(lake: Lake, pipeline: Pipeline, features: Manifest, predictions: Manifest | None) -> pd.DataFrame:
    names = [name for name in pipeline.features.columns if name in features.columns]
    table = lake.read(features, [*pipeline.key, *names])
    rows: pd.DataFrame = table.take(list(range(0, table.num_rows, math.ceil(table.num_rows / MOST_ROWS)))).to_pandas()
    if predictions is not None:
        said = lake.read(predictions, [*pipeline.key, PREDICTION, VERSION]).to_pandas()
        rows = rows.merge(said.drop_duplicates(pipeline.key), on=pipeline.key, how="left")
    return rows.drop(columns=[name for name in pipeline.key if name not in names])


def _drawn_answers(lake: Lake, pipeline: Pipeline, day: str) -> pd.DataFrame:
    answered = answered_day(lake, pipeline, day)
    if answered is None:
        return pd.DataFrame()
    places = answered.places
    places = places[:: max(1, math.ceil(len(places) / MOST_ROWS))]
    features = answered.features(pipeline)
    table = read_answered(lake, answered, places, [*(f"{FEATURE}{name}" for name in features), PREDICTION, VERSION])
    rows: pd.DataFrame = table.rename_columns([*features, PREDICTION, VERSION]).to_pandas()
    return rows
