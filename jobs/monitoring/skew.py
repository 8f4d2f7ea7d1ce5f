"""Training/serving skew: what callers sent against what the night has computed for the same key on the same day.

Only rows of the day are compared: of a row of tomorrow, trailing rates and the like rightly differ from what is known
of it today. A model learns from what the night computes; where the two differ, it gets requests that it never learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bentos.segments import FEATURE, KEY
from jobs.monitoring.answered_rows import AnsweredDay, read_answered
from jobs.monitoring.labelled_predictions import input_hashes
from jobs.monitoring.text_keys import as_written, joined_key, with_text_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

    Mask = NDArray[np.bool_]

MOST_COMPARED = 100_000
"""Rows of a day that are compared, evenly drawn: the share is then known to a third of a percentage point."""
MOST_CELLS = 16_000_000
"""Values of one batch that are in memory at a time."""
ColumnsOf = Callable[[str], frozenset[str] | None]
"""Features that a version takes; None where nobody knows any more."""


@dataclass(frozen=True)
class ColumnSkew:
    """How one feature differs.

    Attributes:
        rows: that were compared.
        share: of them that differ.
        size: median difference of those that differ and are known on both sides, in standard deviations of what the
            night has computed; NaN for categories, and where no such row is.
    """

    rows: int
    share: float
    size: float = math.nan


@dataclass(frozen=True)
class Skew:
    """One day.

    Attributes:
        rows: requests that were compared.
        row_share: of them that differ in any feature.
        elsewhere: requests about rows that are none of the day's.
        columns: by feature; those that no caller sent and no version takes are left out.
        missing: why nothing was compared, for a person; empty where something was.
        inputs: the batches looked at, `dataset/partition` to content hash.
    """

    rows: int = 0
    row_share: float = math.nan
    elsewhere: int = 0
    columns: Mapping[str, ColumnSkew] = field(default_factory=dict)
    missing: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)


def day_skew(lake: Lake, pipeline: Pipeline, answered: AnsweredDay, columns_of: ColumnsOf) -> Skew:
    """Compare a day's requests with the published features of the day.

    A value that one side lacks differs; two missing ones are the same. Categories are compared as text, known to the
    model or not.

    Args:
        lake: the pipeline's lake.
        pipeline: names key and features, and `monitoring.requests.tolerance`.
        answered: the requests; of several about a row, the last of each version is compared.
        columns_of: called only where callers sent no value of a feature at all: a version may not take it.
    """
    day = answered.manifest.partition
    features = lake.published("features", day)
    inputs = input_hashes(answered.manifest, features)
    if features is None:
        return Skew(missing=f"no features of {day}", inputs=inputs)
    if not len(answered.named):
        return Skew(missing=f"no request of {day} names its row (by {', '.join(pipeline.key)})", inputs=inputs)
    places = _places(lake, pipeline, answered, features)
    both = np.flatnonzero(places >= 0)
    if not len(both):
        return Skew(elsewhere=len(places), missing=f"no request of {day} is about a row of that day", inputs=inputs)
    drawn = both[:: max(1, math.ceil(len(both) / MOST_COMPARED))]
    pair = _Pair(lake, pipeline, answered, features, answered.named[drawn], places[drawn])
    differs, columns, versions = np.zeros(len(drawn), dtype=bool), {}, pair.versions()
    for name, sent, computed in pair.columns():
        rows = _taken(name, sent, versions, columns_of)
        if rows.any():
            wrong, size = _compared(sent, computed, rows, pipeline.monitoring.requests.tolerance)
            differs |= wrong
            columns[name] = ColumnSkew(int(rows.sum()), float(wrong.sum() / rows.sum()), size)
    return Skew(len(drawn), float(differs.mean()), len(places) - len(both), columns, inputs=inputs)


def _places(lake: Lake, pipeline: Pipeline, answered: AnsweredDay, features: Manifest) -> NDArray[np.int64]:
    """For each request that names its row, the place of that row among the day's features; -1 where it is none."""
    names = {f"{KEY}{name}": name for name in pipeline.key}
    sent = read_answered(lake, answered, answered.named, list(names)).rename_columns(list(names.values()))
    computed = lake.read(features, pipeline.key)
    for name in pipeline.key:
        sent = sent.set_column(sent.column_names.index(name), name, as_written(sent[name], name, computed.schema))
    rows = joined_key(with_text_keys(computed, pipeline.key), pipeline.key)
    found = pc.index_in(joined_key(sent, pipeline.key), value_set=rows.combine_chunks())
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


@dataclass(frozen=True)
class _Pair:
    """Requests and the rows they are about, in the same order."""

    lake: Lake
    pipeline: Pipeline
    answered: AnsweredDay
    features: Manifest
    places: NDArray[np.int64]
    computed: NDArray[np.int64]

    def columns(self) -> Iterator[tuple[str, pa.ChunkedArray, pa.ChunkedArray]]:
        """Each feature as it was sent and as it was computed, some columns in memory at a time."""
        names = [name for name in self.answered.features(self.pipeline) if name in self.features.columns]
        step = max(1, MOST_CELLS // max(self.answered.manifest.rows, self.features.rows))
        for start in range(0, len(names), step):
            some = names[start : start + step]
            sent = read_answered(self.lake, self.answered, self.places, [f"{FEATURE}{name}" for name in some])
            computed = self.lake.read(self.features, some).take(pa.array(self.computed))
            for name in some:
                yield name, _typed(sent[f"{FEATURE}{name}"]), _typed(computed[name], like=sent[f"{FEATURE}{name}"].type)

    def versions(self) -> dict[str, NDArray[np.int64]]:
        """Which rows each version answered."""
        column = read_answered(self.lake, self.answered, self.places, ["model_version"])["model_version"]
        versions = column.to_numpy()
        return {str(version): np.flatnonzero(versions == version) for version in column.unique().to_pylist()}


def _taken(name: str, sent: pa.ChunkedArray, versions: Mapping[str, NDArray[np.int64]], columns_of: ColumnsOf) -> Mask:
    """Rows whose version takes a feature."""
    there = sent.is_valid().to_numpy()
    rows = np.ones(len(there), dtype=bool)
    for version, places in versions.items():
        if not there[places].any():
            taken = columns_of(version)
            rows[places] = taken is not None and name in taken
    return rows


def _typed(values: pa.ChunkedArray, like: pa.DataType | None = None) -> pa.ChunkedArray:
    """Numbers as 64-bit floats with nulls for what is none, everything else as text."""
    if not pa.types.is_floating(like or values.type):
        return values.cast(pa.string())
    numbers = values.cast(pa.float64(), safe=False)
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def _compared(sent: pa.ChunkedArray, computed: pa.ChunkedArray, rows: Mask, tolerance: float) -> tuple[Mask, float]:
    """Which of some rows differ in a column, and by how much, see `ColumnSkew.size`."""
    missing, lacking = sent.is_null().to_numpy(), computed.is_null().to_numpy()
    if pa.types.is_string(sent.type):
        other = pc.fill_null(pc.not_equal(sent, computed), fill_value=False).to_numpy()
        return rows & ((missing != lacking) | other), math.nan
    one, two = (side.to_numpy() for side in (sent, computed))
    finite = two[np.isfinite(two)]
    spread = float(finite.std()) if len(finite) else 0.0
    with np.errstate(invalid="ignore"):  # infinity less infinity is no number, and no difference
        apart = np.abs(one - two)
        # near zero, a share of the value would be stricter than the numbers' own precision
        far = apart > tolerance * np.maximum(np.maximum(np.abs(one), np.abs(two)), spread)
    differs = rows & ((missing != lacking) | far | (np.isinf(one) != np.isinf(two)))
    known = apart[differs & np.isfinite(apart)]
    return differs, float(np.median(known) / (spread or 1.0)) if len(known) else math.nan


def worst(columns: Mapping[str, ColumnSkew]) -> Sequence[str]:
    """Features that differ in any row, the largest share first."""
    return sorted((name for name in columns if columns[name].share), key=lambda name: (-columns[name].share, name))
