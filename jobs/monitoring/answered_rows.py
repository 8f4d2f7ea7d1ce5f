"""A day's answered requests as rows: no copies and no retries, and each row that callers name counts once a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bentos.segments import FEATURE, KEY
from jobs.data.request_log import DATASET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidewheel.lake import Lake, Manifest
    from tidewheel.spec import Pipeline

    Places = NDArray[np.int64]

ANSWER = ("prediction", "model_version")
_PLACE = "place"


@dataclass(frozen=True)
class AnsweredDay:
    """The published requests of a day, and which of its rows count.

    Attributes:
        manifest: of the batch in the lake.
        answers: rows that were answered, retries and repeated questions included, copies of requests not.
        named: places in the batch of the rows that count and whose caller sent the whole key.
        unnamed: places of the rows that count and that nobody can join with anything.
    """

    manifest: Manifest
    answers: int
    named: Places
    unnamed: Places

    @property
    def places(self) -> Places:
        """Places in the batch of all rows that count, in order."""
        return np.sort(np.concatenate([self.named, self.unnamed]))

    def features(self, pipeline: Pipeline) -> list[str]:
        """Features that any of the day's versions takes."""
        return [name for name in pipeline.features.columns if f"{FEATURE}{name}" in self.manifest.columns]


def answered_day(lake: Lake, pipeline: Pipeline, day: str) -> AnsweredDay | None:
    """Requests of callers on a day; None where no requests are published.

    A retry has the request's id, and the same answer. A row that callers name is taken as its last answer of each
    version has it: who sends one key a thousand times says no more than who sends it once. Rows without a key are
    distinct, as far as anybody knows.

    Args:
        lake: the pipeline's lake.
        pipeline: names the key.
        day: the day on which they were answered, YYYY-MM-DD in UTC.
    """
    manifest = lake.published(DATASET, day)
    if manifest is None or not manifest.rows:
        return None
    key = [f"{KEY}{name}" for name in pipeline.key]
    there = [name for name in key if name in manifest.columns]
    rows = lake.read(manifest, ["request_id", "row", "mirrored", *ANSWER, *there])
    rows = rows.append_column(_PLACE, pa.array(np.arange(rows.num_rows, dtype=np.int64)))
    rows = rows.filter(pc.invert(rows["mirrored"]))
    answers = rows.num_rows
    rows = _last_of(rows, ["request_id", "row", *ANSWER, *there])
    if len(there) < len(key):
        return AnsweredDay(manifest, answers, np.empty(0, np.int64), _places(rows))
    known = rows[key[0]].is_valid()
    for name in key[1:]:
        known = pc.and_(known, rows[name].is_valid())
    named = _last_of(rows.filter(known), [*key, "model_version"])
    return AnsweredDay(manifest, answers, _places(named), _places(rows.filter(pc.invert(known))))


def read_answered(lake: Lake, day: AnsweredDay, places: Places, columns: Sequence[str]) -> pa.Table:
    """Some rows of a day, in the order of `places`.

    Args:
        lake: the pipeline's lake.
        day: the day.
        places: of the rows in the day's batch.
        columns: names as in the batch: `prediction`, `key.<name>`, `features.<name>` and so on.
    """
    return lake.read(day.manifest, columns).take(pa.array(places))


def _last_of(rows: pa.Table, same: list[str]) -> pa.Table:
    """Of rows that are alike in some columns, the last: a batch is in the order of time."""
    last = rows.select([*same, _PLACE]).group_by(same, use_threads=False).aggregate([(_PLACE, "max")])
    return rows.filter(pc.is_in(rows[_PLACE], last[f"{_PLACE}_max"].combine_chunks()))


def _places(rows: pa.Table) -> Places:
    return np.asarray(rows[_PLACE].to_numpy(), dtype=np.int64)
