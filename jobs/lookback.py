"""Trailing label rates as they were known on each day: point-in-time correct, and the same alone or within a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.data.column_names import OURS, PARTITION
from jobs.data.feature_inputs import FeatureInputs, column
from tidewheel.errors import SpecError
from tidewheel.hours import HOURS
from tidewheel.partitions import HOUR

OVERALL = ""
_LABEL, _VALUE, _GROUP, _ON, _BLOCK = (f"{OURS}{name}" for name in ("label", "value", "group", "on", "block"))
_KNOWN, _TOTAL = (f"{OURS}{name}" for name in ("n", "p"))
DAY_KEY = len("YYYY-MM-DD")


def add_trailing_rates(
    inputs: FeatureInputs,
    rows: DataFrame,
    groups: Mapping[str, Sequence[str]],
    windows: Sequence[int],
    name: str,
    smoothing: float,
) -> DataFrame:
    """Add, for each group and window, the mean label of the matured rows of that group: for classification a rate.

    On day P with a label delay of d days, a window of w days covers the labels of P-d-w+1 to P-d. The rate is drawn
    towards that of all rows of the same window, `(total + smoothing * overall) / (known + smoothing)`, the posterior
    mean under a Beta prior (for a regression, a normal one); it is null while no label at all is known. Positive labels
    are counted, and a regression's labels are added in the order of their size, so that the same day gives the same
    bits whatever else is computed beside it. The cost is linear in the rows: labels are added up once per day and
    combination of group values, and the windows are sums of these.

    Args:
        inputs: what the transform was given.
        rows: `inputs.rows`, with the columns that the groups name.
        groups: prefix of the new columns to the columns that form the group; `{"carrier_": ["carrier"]}` adds
            `carrier_<name>_28d`. A group should have at most some ten thousand values: they are sent to every executor.
        windows: lengths in days, or weeks in a weekly pipeline, whose columns end with `_4w`. In an hourly pipeline
            they are days, too, since labels come by day, and the newest known is one day older.
        name: name of the rate, `late_rate` for example; the rate of all rows is added under this name alone.
        smoothing: how many rows the overall rate counts as.

    Returns:
        The rows of the requested days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    if inputs.pipeline.task == "multiclass":
        raise SpecError(
            f"{inputs.pipeline.name}: rates are means of labels that are numbers, and those of `task: multiclass` are "
            "classes; count the labels of one class in the transform itself"
        )
    delay, reach = inputs.pipeline.labels.delay_days, inputs.pipeline.features.look_back_days
    data, unit = inputs.partitions.unit, inputs.partitions.unit.block
    needed = (max(windows) + delay + 1) * HOURS if data is HOUR else max(windows) + delay - 1
    if needed > reach:
        raise SpecError(
            f"{inputs.pipeline.name}: a window of {max(windows)} {unit}s of labels that are known after {delay} "
            f"{unit}s needs features.look_back_{data}s of at least {needed}, found {reach}"
        )
    rows = rows.withColumn(_BLOCK, F.substring(PARTITION, 1, DAY_KEY))
    counts = _trailing_counts(inputs, rows, groups, windows).persist()  # read once by each group
    enriched = _join(rows.where(inputs.is_asked), counts, OVERALL, [], windows)
    enriched = enriched.withColumns({f"{name}_{w}{unit[0]}": _overall(w) for w in windows})
    for prefix, columns in groups.items():
        enriched = _join(enriched, counts, prefix, columns, windows)
        enriched = enriched.withColumns(
            {f"{prefix}{name}_{w}{unit[0]}": _smoothed(prefix, w, smoothing) for w in windows}
        )
    return enriched.select(*(column(found) for found in enriched.columns if not found.startswith(OURS)))


def _trailing_counts(
    inputs: FeatureInputs, rows: DataFrame, groups: Mapping[str, Sequence[str]], windows: Sequence[int]
) -> DataFrame:
    """Known labels of each window and their total, by requested day, group and value of the group."""
    key, regression = inputs.pipeline.key, inputs.pipeline.task == "regression"
    total = ordered_sum if regression else F.sum
    label = column(inputs.pipeline.labels.column).cast("double" if regression else "long").alias(_LABEL)
    labels = inputs.labels.select(column(PARTITION).alias(_BLOCK), *map(column, key), label)
    columns = sorted({name for group in groups.values() for name in group})
    named = [column(name) for name in dict.fromkeys([_BLOCK, *key, *columns])]
    known = rows.select(*named).join(labels, [_BLOCK, *key])
    values = F.array(*(F.struct(F.lit(g).alias(_GROUP), group_value(c).alias(_VALUE)) for g, c in _all(groups).items()))
    combination, day = [column(name) for name in dict.fromkeys([_BLOCK, *columns])], F.to_date(_BLOCK)
    daily = known.groupBy(*combination).agg(F.count(_LABEL).alias(_KNOWN), total(F.col(_LABEL)).alias(_TOTAL))
    grouped = daily.select(day.alias(PARTITION), F.inline(values), _KNOWN, _TOTAL)
    grouped = grouped.groupBy(PARTITION, _GROUP, _VALUE).agg(
        F.sum(_KNOWN).alias(_KNOWN), total(F.col(_TOTAL)).alias(_TOTAL)
    )

    requested = inputs.partitions.blocks
    delay, each = inputs.pipeline.labels.delay_days, requested.unit.days
    if inputs.partitions.unit is HOUR:
        delay += 1  # they are landed with the last hour of the day on which they are known
    first = F.greatest(F.date_add(PARTITION, delay * each), F.lit(requested.first))
    last = F.least(F.date_add(PARTITION, (delay + max(windows) - 1) * each), F.lit(requested.last))
    days = F.when(first <= last, F.sequence(first, last, F.lit(requested.unit.step)))  # on which they count
    age = F.date_diff(_ON, PARTITION) / each - delay
    sums = [F.sum(F.when(age < w, F.col(_KNOWN))).alias(_count("", _KNOWN, w)) for w in windows]
    sums += [total(F.when(age < w, F.col(_TOTAL))).alias(_count("", _TOTAL, w)) for w in windows]
    counted = grouped.select("*", F.explode(days).alias(_ON)).groupBy(_ON, _GROUP, _VALUE).agg(*sums)
    return counted.withColumn(_BLOCK, F.date_format(_ON, "yyyy-MM-dd")).drop(_ON)


def ordered_sum(values: Column) -> Column:
    """A sum of doubles whose bits do not depend on the order in which Spark meets them."""
    return F.aggregate(F.array_sort(F.collect_list(values)), F.lit(0.0), lambda total, value: total + value)


def _join(rows: DataFrame, counts: DataFrame, prefix: str, columns: Sequence[str], windows: Sequence[int]) -> DataFrame:
    """Add the counts of one group; a value that nothing is known of has none."""
    named = {_count("", what, w): _count(prefix, what, w) for what in (_KNOWN, _TOTAL) for w in windows}
    renamed = (F.col(found).alias(ours) for found, ours in named.items())
    of_group = counts.where(F.col(_GROUP) == prefix).select(_BLOCK, _VALUE, *renamed)
    joined = rows.withColumn(_VALUE, group_value(columns)).join(F.broadcast(of_group), [_BLOCK, _VALUE], "left")
    return joined.drop(_VALUE)


def _all(groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {OVERALL: [], **groups}


def group_value(columns: Sequence[str]) -> Column:
    """The group's columns as one, so that groups of different columns stand in one table."""
    return F.array(*(column(name).cast("string") for name in columns)).cast("array<string>")


def _count(prefix: str, what: str, window: int) -> str:
    return f"{what}_{prefix}_{window}"


def _of(prefix: str, what: str, window: int) -> Column:
    return F.coalesce(column(_count(prefix, what, window)), F.lit(0))


def _overall(window: int) -> Column:
    known, total = (_of(OVERALL, what, window) for what in (_KNOWN, _TOTAL))
    return F.when(known > 0, total / known)


def _smoothed(prefix: str, window: int, smoothing: float) -> Column:
    known, total = (_of(prefix, what, window) for what in (_KNOWN, _TOTAL))
    return (total + F.lit(smoothing) * _overall(window)) / (known + F.lit(smoothing))
