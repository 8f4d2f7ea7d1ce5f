"""The types that columns have on the days that are published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tidewheel.lake import open_verified

if TYPE_CHECKING:
    from tidewheel.lake import Lake, Manifest
    from tidewheel.partitions import PartitionRange

NEWEST = 7
"""So many of the newest days say what type a column has; one that was away for longer is held against the look-back."""


@dataclass(frozen=True)
class PublishedType:
    """The type of a column, and the newest batch that has it.

    Attributes:
        kind: the type.
        batch: the batch, `dataset/partition`.
    """

    kind: pa.DataType
    batch: str


def newest_types(lake: Lake, dataset: str, without: PartitionRange) -> dict[str, PublishedType]:
    """Types of the columns on the newest published days, of each column from the newest day that knows it.

    Args:
        lake: the pipeline's lake.
        dataset: `landing` or `labels`.
        without: days that are being landed: what they were published as binds nobody.
    """
    schemas = Schemas(lake)
    types: dict[str, PublishedType] = {}
    for manifest in islice(_newest(lake, dataset, without), NEWEST):
        for field in schemas.of(manifest):
            if not pa.types.is_null(field.type):
                types.setdefault(field.name, PublishedType(field.type, manifest.key))
    return types


def around(lake: Lake, dataset: str, days: PartitionRange, reach: int) -> Iterator[Manifest]:
    """The published batches that features read side by side with those of some days, without these days' own.

    Args:
        lake: the pipeline's lake.
        dataset: `landing` or `labels`.
        days: days that are being landed.
        reach: how many days features look back.
    """
    before = (days.unit.before(days.first, n) for n in range(1, reach + 1))
    after = (days.unit.after(days.last, n) for n in range(1, reach + 1))
    for day in (*before, *after):
        if (manifest := lake.published(dataset, str(day))) is not None:
            yield manifest


class Schemas:
    """Arrow schemas of batches, one footer for all batches of the same columns: a manifest only names the types."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._found: dict[tuple[tuple[str, str], ...], pa.Schema] = {}

    def of(self, manifest: Manifest) -> pa.Schema:
        """Names and types of a batch's columns."""
        columns = tuple(manifest.columns.items())
        if columns not in self._found:
            self._found[columns] = next(footers(self._lake, manifest)).schema.to_arrow_schema()
        return self._found[columns]


def footers(lake: Lake, manifest: Manifest) -> Iterator[pq.FileMetaData]:
    """What each of a batch's files says of itself."""
    for file in lake.files(manifest):
        with open_verified(lake.store, file) as opened:
            yield pq.read_metadata(opened)


def largest_integer(lake: Lake, manifest: Manifest, name: str) -> int | None:
    """The largest magnitude among the integers of a column, from the statistics of the files; None where unknown."""
    largest = 0
    for footer in footers(lake, manifest):
        groups = [footer.row_group(place) for place in range(footer.num_row_groups)]
        for group in groups:
            columns = (group.column(place) for place in range(group.num_columns))
            statistics = next(column.statistics for column in columns if column.path_in_schema == name)
            if statistics is not None and statistics.null_count == group.num_rows:
                continue
            if statistics is None or not statistics.has_min_max:
                return None
            largest = max(largest, abs(statistics.min), abs(statistics.max))
    return largest


def _newest(lake: Lake, dataset: str, without: PartitionRange) -> Iterator[Manifest]:
    landed = set(without.keys)
    for name in reversed(lake.keys(dataset, without.unit)):
        if name not in landed and (manifest := lake.published(dataset, name)) is not None:
            yield manifest
