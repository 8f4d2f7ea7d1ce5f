"""Counts and sums over the days before a row's day: the same for a day alone and within a range."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.data.column_names import OURS, PARTITION
from jobs.data.feature_inputs import FeatureInputs, column
from jobs.data.positions import key_at, position
from jobs.lookback import group_value, ordered_sum
from tidewheel.errors import SpecError

if TYPE_CHECKING:
    from tidewheel.partitions import Partitioning, PartitionRange

_DAY, _GROUP, _ON, _VALUE = (f"{OURS}{name}" for name in ("day", "group", "on", "value"))
Sums = Callable[[Column], Column]


@dataclass(frozen=True)
class _Columns:
    """The columns that are added: one for each group and window."""

    groups: Mapping[str, Sequence[str]]
    windows: Sequence[int]
    name: str
    unit: Partitioning

    def of(self, prefix: str) -> dict[int, str]:
        """Names of a group's columns, by length of the window in partitions."""
        return {count: f"{prefix}{self.name}_{count}{self.unit[0]}" for count in self.windows}


def add_trailing_counts(
    inputs: FeatureInputs,
    rows: DataFrame,
    groups: Mapping[str, Sequence[str]],
    windows: Sequence[int],
    name: str,
    *,
    past: DataFrame | None = None,
) -> DataFrame:
    """Add, for each group and window, the number of rows that the group had on the days before.

    On day P, a window of w days covers P-w to P-1: never the day itself, which is not over when a request is answered.
    Days that were not landed count as days without rows.

    Args:
        inputs: what the transform was given.
        rows: the rows to add to; those of the look-back are left out of the result.
        groups: prefix of the new columns to the columns that form the group; `{"shop_": ["shop"]}` adds
            `shop_<name>_7d`. Null is a value like any other. A group should have at most some ten thousand values: they
            are sent to every executor.
        windows: lengths in partitions: days; weeks in a weekly pipeline, whose columns end with `_4w`; hours (`_6h`) in
            an hourly one.
        name: name of the figure, `orders` for example.
        past: rows of the look-back too, with the columns that the groups name; `rows` where it is not given. Give it
            where `rows` has been through another of these functions, which leave only the requested days.

    Returns:
        The rows of the requested days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    before = rows if past is None else past
    return _added(inputs, rows, before, _Columns(groups, windows, name, inputs.partitions.unit), F.lit(1), F.sum)


def add_trailing_sums(
    inputs: FeatureInputs,
    rows: DataFrame,
    groups: Mapping[str, Sequence[str]],
    windows: Sequence[int],
    name: str,
    value: str,
    *,
    past: DataFrame | None = None,
) -> DataFrame:
    """Add, for each group and window, the sum of a column over the rows that the group had on the days before.

    Rows without a value count as 0. Integers are added exactly, and anything else as doubles in the order of their
    size, so that the same day gives the same bits whatever else is computed beside it.

    Args:
        inputs: what the transform was given.
        rows: as in `add_trailing_counts`.
        groups: as in `add_trailing_counts`.
        windows: lengths in partitions: days; weeks in a weekly pipeline, whose columns end with `_4w`; hours (`_6h`) in
            an hourly one.
        name: name of the figure, `spent` for example.
        value: the column of `past` to add up.
        past: as in `add_trailing_counts`.

    Returns:
        The rows of the requested days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    before = rows if past is None else past
    whole = isinstance(before.select(column(value)).schema.fields[0].dataType, T.IntegralType)
    added: Sums = F.sum if whole else ordered_sum
    of_row = column(value).cast("long" if whole else "double")
    return _added(inputs, rows, before, _Columns(groups, windows, name, inputs.partitions.unit), of_row, added)


def add_trailing_distinct_counts(
    inputs: FeatureInputs,
    rows: DataFrame,
    groups: Mapping[str, Sequence[str]],
    windows: Sequence[int],
    name: str,
    value: str,
    *,
    past: DataFrame | None = None,
) -> DataFrame:
    """Add, for each group and window, how many values a column had in the rows of the group on the days before.

    Null is no value.

    Args:
        inputs: what the transform was given.
        rows: as in `add_trailing_counts`.
        groups: as in `add_trailing_counts`.
        windows: lengths in partitions: days; weeks in a weekly pipeline, whose columns end with `_4w`; hours (`_6h`) in
            an hourly one.
        name: name of the figure, `customers` for example.
        value: the column of `past` whose values are counted.
        past: as in `add_trailing_counts`.

    Returns:
        The rows of the requested days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    before = rows if past is None else past
    return _added(inputs, rows, before, _Columns(groups, windows, name, inputs.partitions.unit), column(value), None)


def _added(
    inputs: FeatureInputs, rows: DataFrame, past: DataFrame, new: _Columns, value: Column, add: Sums | None
) -> DataFrame:
    """Add the sums of a value by `add`, or the counts of its distinct values where that is None."""
    reach, longest, unit = inputs.pipeline.features.look_back_days, max(new.windows), new.unit
    if longest > reach:
        raise SpecError(
            f"{inputs.pipeline.name}: a window of {longest} {unit}s needs features.look_back_{unit}s of at least "
            f"{longest}, found {reach}"
        )
    enriched = rows.where(inputs.is_asked)
    for prefix, columns in new.groups.items():
        named = new.of(prefix)
        of_row = past.select(
            position(PARTITION, unit).alias(_DAY), group_value(columns).alias(_GROUP), value.alias(_VALUE)
        )
        figures = _windows(of_row, inputs.partitions, named, add)
        joined = enriched.withColumn(_GROUP, group_value(columns)).join(
            F.broadcast(figures), [PARTITION, _GROUP], "left"
        )
        filled = {added: F.coalesce(column(added), F.lit(0)) for added in named.values()}
        enriched = joined.withColumns(filled).drop(_GROUP)
    return enriched


def _windows(rows: DataFrame, requested: PartitionRange, named: Mapping[int, str], add: Sums | None) -> DataFrame:
    """The figure of each window by requested day (`partition`) and value of the group, where there is any row."""
    daily = rows.distinct() if add is None else rows.groupBy(_DAY, _GROUP).agg(add(F.col(_VALUE)).alias(_VALUE))
    each = requested.unit.days
    first, last = (position(F.lit(str(one)), requested.unit) for one in (requested.first, requested.last))
    begin, end = F.greatest(F.col(_DAY) + each, first), F.least(F.col(_DAY) + max(named) * each, last)
    counting = F.when(begin <= end, F.sequence(begin, end, F.lit(each)))  # in whose windows these rows are
    age = (F.col(_ON) - F.col(_DAY)) / each
    figure = add or F.count_distinct
    figures = [figure(F.when(age <= w, F.col(_VALUE))).alias(new) for w, new in named.items()]
    found = daily.select("*", F.explode(counting).alias(_ON)).groupBy(_ON, _GROUP).agg(*figures)
    return found.withColumn(PARTITION, key_at(_ON, requested.unit)).drop(_ON)
