"""An hourly pipeline with files as its source: rows by the hour, outcomes by the day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jobs.as_of import add_last_values
from jobs.lookback import add_trailing_rates
from jobs.trailing import add_trailing_counts
from tests.jobs.parcels_in_files import ParcelsInFiles, random_parcels
from tidewheel.hours import HOURS, Hour

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs

FIRST = date(2024, 3, 30)
"""The clocks of Europe are put forward a day later: the hours are those of UTC."""
ROWS = 12
PIPELINE = """
name: {name}
description: Will the parcel be late?
owner: {{team: parcels}}
partition: hour
source:
  reader: {{kind: parquet, path: "source/orders-{{partition}}.parquet"}}
  event_time: ordered_at
  entity_key: [parcel]
  start: 2024-03-30
labels:
  reader: {{kind: csv, path: "source/outcomes-{{partition}}.csv"}}
  column: late
features:
  transform: tests.jobs.hourly_parcels:features
  look_back_hours: 72
  numeric: [weight, late_rate_1d, carrier_late_rate_1d, carrier_parcels_3h, last_weight]
  categorical: [carrier]
training:
  estimator: logistic_regression
  minimum_rows: 500
gate:
  mode: probation
"""


def features(inputs: FeatureInputs) -> DataFrame:
    """Weight, carrier, who has been late lately, how many parcels there were, and the one before."""
    rows, groups = inputs.rows, {"carrier_": ["carrier"]}
    rows = add_trailing_rates(inputs, rows, groups, windows=(1,), name="late_rate", smoothing=5)
    rows = add_trailing_counts(inputs, rows, groups, (3,), "parcels", past=inputs.rows)
    return add_last_values(inputs, rows, ["carrier"], {"last_weight": "weight"}, past=inputs.rows)


def day(number: int) -> date:
    """A day, counted from the first."""
    return FIRST + timedelta(days=number)


def hours(of: date, first: int = 0, last: int = HOURS - 1) -> list[Hour]:
    """Some hours of a day."""
    return [Hour(of.year, of.month, of.day, number) for number in range(first, last + 1)]


class HourlyParcels(ParcelsInFiles):
    """Rows by the hour."""

    DECLARATION = PIPELINE
    RATE = "late_rate_1d"

    def orders(self, hour: Hour) -> pd.DataFrame:
        """The rows of an hour."""
        return random_parcels(hour, 3600, ROWS, seed=hour.toordinal() * HOURS + hour.hour)

    def of_day(self, of: date) -> pd.DataFrame:
        """The rows of all hours of a day."""
        return pd.concat([self.orders(hour) for hour in hours(of)], ignore_index=True)

    def deliver(self, of: date) -> None:
        """Write a day's files: one for each hour, and one for the outcomes."""
        source = self.folder / "source"
        for hour in hours(of):
            self.deliver_hour(hour)
        self.of_day(of)[["parcel", "late"]].to_csv(source / f"outcomes-{of}.csv", index=False)

    def deliver_hour(self, hour: Hour) -> Path:
        """Write an hour's rows."""
        file = self.folder / "source" / f"orders-{hour}.parquet"
        self.orders(hour).drop(columns="late").to_parquet(file, index=False)
        return file
