"""Joins by time: for each row the newest row of a table as it was known then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.data.column_names import OURS, PARTITION
from jobs.data.feature_inputs import FeatureInputs, column
from jobs.data.positions import position
from tidewheel.errors import SpecError

_AT, _SIDE, _FOUND, _ROW = (f"{OURS}{name}" for name in ("at", "side", "found", "row"))


def as_of_join(
    rows: DataFrame,
    other: DataFrame,
    on: Sequence[str],
    time: str,
    other_time: str,
    columns: Mapping[str, str],
    *,
    within: timedelta | None = None,
    strictly_before: bool = False,
) -> DataFrame:
    """Add to each row the values of the newest row of another table that is not newer than it.

    Of several rows with the same time, the one with the greatest values is taken (in the order of `columns`), so that
    the result does not depend on the order of the rows. Null in `on` or in a time matches nothing.

    Args:
        rows: the rows to add to, all of which are in the result.
        other: the other table.
        on: columns of both, in which the rows must be equal.
        time: the time of `rows`.
        other_time: the time of `other`, of the same type: when its row was known, not what it speaks of.
        columns: new column to the column of `other` that it holds; null where no row matches.
        within: an older row of `other` is not taken.
        strictly_before: nor one of the very same time.

    Returns:
        The rows with the new columns.

    Raises:
        SpecError: `rows` has a column of that name already.
    """
    there = {name.casefold() for name in rows.columns}
    if taken := [name for name in columns if name.casefold() in there]:
        raise SpecError(f"the rows have a column {', '.join(map(repr, taken))} already; name the new columns otherwise")
    keys = [f"{OURS}on_{n}" for n in range(len(on))]
    key_columns = [column(name).alias(key) for name, key in zip(on, keys, strict=True)]
    values = [column(name).alias(f"c{n}") for n, name in enumerate(columns.values())]
    row = F.struct(*map(column, rows.columns))
    left = rows.select(
        *key_columns, column(time).alias(_AT), F.lit(0 if strictly_before else 1).alias(_SIDE), row.alias(_ROW)
    )
    known = other.select(
        *key_columns,
        column(other_time).alias(_AT),
        F.lit(1 if strictly_before else 0).alias(_SIDE),
        F.struct(column(other_time).alias("at"), *values).alias(_FOUND),
    )
    known = known.dropna(subset=[*keys, _AT])
    together = left.unionByName(known, allowMissingColumns=True)
    past = Window.partitionBy(*keys).orderBy(_AT, _SIDE).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    # Structs are compared field by field, the time first: the greatest is the newest.
    newest = together.withColumn(_FOUND, F.max(_FOUND).over(past)).where(F.col(_ROW).isNotNull())
    fits = ~reduce(or_, (F.col(key).isNull() for key in keys), F.lit(False))
    if within is not None:
        fits &= F.col(f"{_FOUND}.at") >= F.col(_AT) - F.lit(within)
    added = [F.when(fits, F.col(f"{_FOUND}.c{n}")).alias(new) for n, new in enumerate(columns)]
    return newest.select(f"{_ROW}.*", *added)


def add_last_values(
    inputs: FeatureInputs,
    rows: DataFrame,
    group: Sequence[str],
    columns: Mapping[str, str],
    *,
    past: DataFrame | None = None,
) -> DataFrame:
    """Add to each row the values of the row before it in its group, by event time.

    A row of the same day is taken if it is earlier; one from before the look-back is not, so that a day alone and
    within a range has the same features. Of several rows with the same time, the one with the greatest values is taken.

    Args:
        inputs: what the transform was given.
        rows: the rows to add to; those of the look-back are left out of the result.
        group: columns that form the group; null in one of them matches nothing.
        columns: new column to the column of `past` that it holds.
        past: rows of the look-back too; `rows` where it is not given.

    Returns:
        The rows of the requested days with the new columns, null where the group had no row.

    Raises:
        SpecError: `rows` has a column of that name already.
    """
    before, time = rows if past is None else past, inputs.pipeline.source.event_time
    day, reach = f"{OURS}day", inputs.pipeline.features.look_back_days
    found = as_of_join(
        rows.where(inputs.is_asked), before, group, time, time, {day: PARTITION, **columns}, strictly_before=True
    )
    unit = inputs.partitions.unit
    recent: Column = position(PARTITION, unit) - position(day, unit) <= reach * unit.days
    return found.withColumns({new: F.when(recent, column(new)) for new in columns}).drop(day)
