"""Trailing label rates as they were known on each day: point-in-time correct, and the same alone or within a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.data.feature_inputs import PARTITION, FeatureInputs
from tidewheel.errors import SpecError

OVERALL = ""


def add_trailing_rates(
    inputs: FeatureInputs,
    rows: DataFrame,
    groups: Mapping[str, Sequence[str]],
    windows: Sequence[int],
    name: str,
    smoothing: float,
) -> DataFrame:
    """Add, for each group and window, the share of positive labels among the matured rows of that group.

    On day P with a label delay of d days, a window of w days covers the labels of P-d-w+1 to P-d. The rate is drawn
    towards that of all rows of the same window, `(positive + smoothing * overall) / (known + smoothing)`, the
    posterior mean under a Beta prior; it is null while no label at all is known. Counts are integers, so that the same
    day gives the same bits whatever else is computed beside it. The cost is linear in the rows: labels are counted
    once per day and combination of group values, and the windows are sums of these counts.

    Args:
        inputs: what the transform was given.
        rows: `inputs.rows`, with the columns that the groups name.
        groups: prefix of the new columns to the columns that form the group; `{"carrier_": ["carrier"]}` adds
            `carrier_<name>_28d`. A group should have at most some ten thousand values: they are sent to every executor.
        windows: lengths in days.
        name: name of the rate, `late_rate` for example; the rate of all rows is added under this name alone.
        smoothing: how many rows the overall rate counts as.

    Returns:
        The rows of the asked days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    delay, reach = inputs.pipeline.labels.delay_days, inputs.pipeline.features.look_back_days
    if max(windows) + delay - 1 > reach:
        raise SpecError(
            f"{inputs.pipeline.name}: a window of {max(windows)} days of labels that are known after {delay} days "
            f"needs features.look_back_days of at least {max(windows) + delay - 1}, found {reach}"
        )
    counts = _trailing_counts(inputs, rows, groups, windows).persist()  # read once by each group
    enriched = rows.where(inputs.is_asked)
    enriched = _join(enriched, counts, OVERALL, [], windows)
    enriched = enriched.withColumns({f"{name}_{w}d": _overall(w) for w in windows})
    for prefix, columns in groups.items():
        enriched = _join(enriched, counts, prefix, columns, windows)
        enriched = enriched.withColumns({f"{prefix}{name}_{w}d": _smoothed(prefix, w, smoothing) for w in windows})
    return enriched.drop(*(_count(prefix, what, w) for prefix in (OVERALL, *groups) for what in "np" for w in windows))


def _trailing_counts(
    inputs: FeatureInputs, rows: DataFrame, groups: Mapping[str, Sequence[str]], windows: Sequence[int]
) -> DataFrame:
    """Known (n) and positive (p) labels of each window, by asked day (`partition`), group and value of the group."""
    label, key = inputs.pipeline.labels.column, inputs.pipeline.key
    columns = sorted({column for group in groups.values() for column in group})
    labels = inputs.labels.select(PARTITION, *key, F.col(label).cast("long").alias("_label"))
    known = rows.select(PARTITION, *dict.fromkeys([*key, *columns])).join(labels, [PARTITION, *key])
    daily = known.groupBy(PARTITION, *columns).agg(F.count("_label").alias("n"), F.sum("_label").alias("p"))

    values = F.array(*(F.struct(F.lit(g).alias("group"), _value(c).alias("value")) for g, c in _all(groups).items()))
    grouped = daily.select(F.to_date(PARTITION).alias("day"), F.explode(values).alias("of"), "n", "p")
    grouped = grouped.groupBy("day", "of.group", "of.value").agg(F.sum("n").alias("n"), F.sum("p").alias("p"))

    delay = inputs.pipeline.labels.delay_days
    first = F.greatest(F.date_add("day", delay), F.lit(inputs.partitions.first))
    last = F.least(F.date_add("day", delay + max(windows) - 1), F.lit(inputs.partitions.last))
    days = F.when(first <= last, F.sequence(first, last))  # on which these labels count
    age = F.date_diff("on", "day") - delay
    sums = [F.sum(F.when(age < w, F.col(what))).alias(f"{what}_{w}") for what in "np" for w in windows]
    counted = grouped.select("*", F.explode(days).alias("on")).groupBy("on", "group", "value").agg(*sums)
    return counted.withColumn(PARTITION, F.date_format("on", "yyyy-MM-dd")).drop("on")


def _join(rows: DataFrame, counts: DataFrame, prefix: str, columns: Sequence[str], windows: Sequence[int]) -> DataFrame:
    """Add the counts of one group; a value that nothing is known of has zeros."""
    named = [F.col(f"{what}_{w}").alias(_count(prefix, what, w)) for what in "np" for w in windows]
    of_group = counts.where(F.col("group") == prefix).select(PARTITION, F.col("value").alias("_value"), *named)
    joined = rows.withColumn("_value", _value(columns)).join(F.broadcast(of_group), [PARTITION, "_value"], "left")
    return joined.drop("_value").fillna(0, [_count(prefix, what, w) for what in "np" for w in windows])


def _all(groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {OVERALL: [], **groups}


def _value(columns: Sequence[str]) -> Column:
    """The group's columns as one, so that groups of different columns stand in one table."""
    return F.array(*(F.col(column).cast("string") for column in columns)).cast("array<string>")


def _count(prefix: str, what: str, window: int) -> str:
    return f"_{prefix}{what}_{window}"


def _overall(window: int) -> Column:
    known, positive = (F.col(_count(OVERALL, what, window)) for what in "np")
    return F.when(known > 0, positive / known)


def _smoothed(prefix: str, window: int, smoothing: float) -> Column:
    known, positive = (F.col(_count(prefix, what, window)) for what in "np")
    return (positive + F.lit(smoothing) * _overall(window)) / (known + F.lit(smoothing))
