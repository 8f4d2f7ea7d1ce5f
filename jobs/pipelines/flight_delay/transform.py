"""What the model sees of a flight: the schedule, the weather before it left, and who has been late lately."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
from pandas.tseries.holiday import USFederalHolidayCalendar
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tidewheel.pipelines import PARTITION, FeatureInputs, add_trailing_rates

MINUTES_A_DAY = 24 * 60
WEEK = 7
GROUPS = {
    "carrier_": ["carrier"],
    "origin_": ["origin"],
    "route_": ["origin", "dest"],
    "hour_": ["origin", "hour"],
}


def features(inputs: FeatureInputs) -> DataFrame:
    """The features of the requested days. Weather comes with the rows, as the reader joined it."""
    departure = F.col("scheduled_departure")
    rows = inputs.rows.withColumns(
        {
            "month": F.month(departure),
            "day_of_week": F.weekday(departure),  # Monday is 0
            "hour": F.hour(departure),
            "minute_of_day": F.hour(departure) * 60 + F.minute(departure),
        }
    ).withColumn("scheduled_minutes", _minutes_until_arrival())
    hourly = rows.groupBy(PARTITION, "origin", "hour").agg(F.count(F.lit(1)).alias("departures_in_hour"))
    rows = add_trailing_rates(inputs, rows, GROUPS, windows=(28, 7, 2), name="late_rate", smoothing=20)
    rows = rows.join(F.broadcast(hourly), [PARTITION, "origin", "hour"])
    return rows.join(F.broadcast(_holidays(inputs)), PARTITION)


def _holidays(inputs: FeatureInputs) -> DataFrame:
    """Days since the nearest federal holiday, negative before it, at most a week either way."""
    days = pd.to_datetime(inputs.partitions.keys)
    # No two federal holidays are further apart than this, so one is always found on either side.
    holidays = USFederalHolidayCalendar().holidays(days[0] - pd.Timedelta(days=120), days[-1] + pd.Timedelta(days=120))
    nearest = [min(((day - holiday).days for holiday in holidays), key=abs) for day in days]
    columns = {PARTITION: inputs.partitions.keys, "days_from_holiday": [max(-WEEK, min(WEEK, n)) for n in nearest]}
    return inputs.spark.createDataFrame(pa.table(columns))


def _minutes_until_arrival() -> Column:
    """From take-off on New York's clock to landing on the destination's; it may be after midnight."""
    arrival = F.floor(F.col("scheduled_arrival") / 100) * 60 + F.col("scheduled_arrival") % 100
    return (arrival - F.col("minute_of_day") + MINUTES_A_DAY) % MINUTES_A_DAY
