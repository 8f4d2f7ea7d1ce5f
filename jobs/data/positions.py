"""Partitions as whole numbers in Spark, whose differences are days, or the hours of an hourly pipeline."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from tidewheel.partitions import HOUR, Partitioning

_HOUR_FORM, _SECONDS = "yyyy-MM-dd'T'HH", 3600


def position(key: Column | str, unit: Partitioning) -> Column:
    """Days, or hours, from the beginning of 1970 (UTC) to a partition, by its key; null where that is null.

    Args:
        key: column of keys.
        unit: what a partition holds; a week is the day that it begins with.
    """
    if unit is HOUR:
        return (F.unix_timestamp(key, _HOUR_FORM) / _SECONDS).cast("int")
    return F.unix_date(F.to_date(key))


def key_at(position: Column | str, unit: Partitioning) -> Column:
    """The key of the partition at a position."""
    if unit is HOUR:
        at = F.timestamp_seconds((F.col(position) if isinstance(position, str) else position).cast("long") * _SECONDS)
        return F.date_format(at, _HOUR_FORM)
    return F.date_format(F.date_from_unix_date(position), "yyyy-MM-dd")
