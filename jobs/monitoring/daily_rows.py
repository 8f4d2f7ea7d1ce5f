"""Some rows of each day, features and predictions, for whoever compares days: evenly drawn, and drawn once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

PREDICTION = "prediction"
VERSION = "model_version"
MOST_ROWS = 2_000
"""Rows drawn of a day: more move no effect size, and cost minutes over weeks of large days."""


def rows_of_days(lake: Lake, pipeline: Pipeline, days: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Feature columns, prediction and version of some days, at most 2,000 rows each.

    Of a large day the drawn rows are kept beside its reports, under the hashes of what they were drawn from, so that
    the next nights need not read it again.

    Args:
        lake: the pipeline's lake.
        pipeline: names the columns.
        days: keys of the days wanted.

    Returns:
        Rows by day; days without published features are left out, columns that a day had not are missing there.
    """
    found = {}
    for day in days:
        features, predictions = (lake.published(dataset, day) for dataset in ("features", "predictions"))
        if features is not None and features.rows:
            found[day] = _day(lake, pipeline, features, predictions)
    return found


def _day(lake: Lake, pipeline: Pipeline, features: Manifest, predictions: Manifest | None) -> pd.DataFrame:
    if features.rows <= MOST_ROWS:
        return _drawn(lake, pipeline, features, predictions)
    said = predictions.short_hash if predictions else "none"
    path = f"{lake.pipeline}/reports/{features.partition}/rows-{features.short_hash}-{said}.parquet"
    kept = lake.store.read(path)
    if kept is not None and (frame := _whole(kept)) is not None:
        return frame
    rows = _drawn(lake, pipeline, features, predictions)
    written = pa.BufferOutputStream()
    pq.write_table(
        pa.Table.from_pandas(rows, preserve_index=False), written, compression="zstd", write_page_checksum=True
    )
    lake.store.replace(path, written.getvalue().to_pybytes())
    return rows


def _whole(kept: bytes) -> pd.DataFrame | None:
    """Rows that were drawn before; None where the file is broken, and they are to be drawn again."""
    try:
        stored = pq.ParquetFile(pa.BufferReader(kept), page_checksum_verification=True, pre_buffer=False)
        frame: pd.DataFrame = stored.read(use_threads=False).to_pandas()
    except (OSError, pa.ArrowInvalid):  # Arrow says OSError where a page is broken
        return None
    return frame


def _drawn(lake: Lake, pipeline: Pipeline, features: Manifest, predictions: Manifest | None) -> pd.DataFrame:
    wanted = [name for name in pipeline.features.columns if name in features.columns]
    table = lake.read(features, [*pipeline.key, *wanted])
    rows: pd.DataFrame = table.take(list(range(0, table.num_rows, math.ceil(table.num_rows / MOST_ROWS)))).to_pandas()
    if predictions is not None:
        said = lake.read(predictions, [*pipeline.key, PREDICTION, VERSION]).to_pandas()
        rows = rows.merge(said.drop_duplicates(pipeline.key), on=pipeline.key, how="left")
    return rows.drop(columns=[name for name in pipeline.key if name not in wanted])
