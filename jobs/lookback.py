"""Trailing label rates as they were known on each day: point-in-time correct, and the same alone or within a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.feature_inputs import PARTITION, FeatureInputs
from tidewheel.errors import SpecError

DAY = "_day"


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
    towards that of all rows of the same window, `(positives + smoothing * overall) / (known + smoothing)`, the
    posterior mean under a Beta prior; it is null while no label at all is known. Counts are integers, so that the same
    day gives the same bits whatever else is computed beside it. The cost is linear in the rows: labels are counted
    once per day and value of all groups together, and the windows run over these counts.

    Args:
        inputs: what the transform was given.
        rows: `inputs.rows`, with the columns that the groups name.
        groups: prefix of the new columns to the columns that form the group, which have some thousands of values at
            most together; `{"carrier_": ["carrier"], "": []}` adds `carrier_<name>_28d` and `<name>_28d`.
        windows: lengths in days.
        name: name of the rate, `late_rate` for example.
        smoothing: how many rows the overall rate counts as.

    Returns:
        The rows of the asked days with the new columns.

    Raises:
        SpecError: a window reaches further back than the pipeline's look-back.
    """
    delay, reach = inputs.pipeline.labels.delay_days, inputs.pipeline.features.look_back_days
    if max(windows) + delay - 1 > reach:
        raise SpecError(
            f"{inputs.pipeline.name}: a window of {max(windows)} days of labels that are known after {delay} days needs "
            f"features.look_back_days of at least {max(windows) + delay - 1}, found {reach}"
        )
    rows = rows.withColumn(DAY, F.unix_date(F.to_date(PARTITION)))
    first, last = (F.unix_date(F.lit(day)) for day in (inputs.partitions.first, inputs.partitions.last))
    asked = rows.where(F.col(DAY).between(first, last))
    columns = sorted({column for group in groups.values() for column in group})
    counts = _counts_of_days(inputs, rows, columns)

    overall = _windows(counts, asked, [], windows, delay)
    enriched = asked.join(F.broadcast(overall.select(DAY, *_renamed(windows, "overall"))), DAY, "left")
    for prefix, group in groups.items():
        trailing = _windows(counts, asked, list(group), windows, delay)
        trailing = trailing.select(DAY, *group, *_renamed(windows, "group"))
        enriched = enriched.join(F.broadcast(trailing), [DAY, *group], "left")
        rates = {f"{prefix}{name}_{w}d": _rate(w, smoothing if group else 0.0) for w in windows}
        enriched = enriched.withColumns(rates).drop(*(f"group_{what}_{w}" for what in "np" for w in windows))
    return enriched.drop(DAY, *(f"overall_{what}_{w}" for what in "np" for w in windows))


def _counts_of_days(inputs: FeatureInputs, rows: DataFrame, columns: list[str]) -> DataFrame:
    """How many labels are known (n) and positive (p), by day and group columns."""
    label, key = inputs.pipeline.labels.column, inputs.pipeline.key
    known = rows.select(DAY, PARTITION, *dict.fromkeys([*key, *columns])).join(
        inputs.labels.select(PARTITION, *key, F.col(label).cast("int").alias("_label")), [PARTITION, *key]
    )
    counts = known.groupBy(DAY, *columns).agg(F.count("_label").alias("n"), F.sum("_label").alias("p"))
    return counts.persist()  # each group reads it again


def _windows(counts: DataFrame, asked: DataFrame, group: list[str], windows: Sequence[int], delay: int) -> DataFrame:
    """n and p of each window, for every day and group value that is asked for."""
    wanted = asked.select(DAY, *group, F.lit(0).alias("n"), F.lit(0).alias("p"), F.lit(True).alias("_asked")).distinct()
    daily = counts.select(DAY, *group, "n", "p", F.lit(False).alias("_asked")).unionByName(wanted)
    daily = daily.groupBy(DAY, *group).agg(
        F.sum("n").alias("n"), F.sum("p").alias("p"), F.max("_asked").alias("_asked")
    )
    by_day = Window.partitionBy(*(group or [F.lit(0)])).orderBy(DAY)
    for w in windows:
        frame = by_day.rangeBetween(-(delay + w - 1), -delay)
        daily = daily.withColumns({f"n_{w}": F.sum("n").over(frame), f"p_{w}": F.sum("p").over(frame)})
    return daily.where("_asked")


def _renamed(windows: Sequence[int], prefix: str) -> list[Column]:
    return [F.col(f"{what}_{w}").alias(f"{prefix}_{what}_{w}") for what in "np" for w in windows]


def _rate(window: int, smoothing: float) -> Column:
    known, positive = (F.coalesce(F.col(f"group_{what}_{window}"), F.lit(0)) for what in "np")
    all_known, all_positive = (F.coalesce(F.col(f"overall_{what}_{window}"), F.lit(0)) for what in "np")
    overall = all_positive / all_known
    return F.when(all_known > 0, (positive + F.lit(smoothing) * overall) / (known + F.lit(smoothing)))
