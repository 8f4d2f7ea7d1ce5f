"""A weekly pipeline with files as its source: a file a week, named by its Monday."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from jobs.as_of import add_last_values
from jobs.lookback import add_trailing_rates
from jobs.trailing import add_trailing_counts
from tests.jobs.parcels_in_files import ParcelsInFiles, random_parcels

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs

FIRST = date(2024, 1, 1)
"""A Monday."""
ROWS = 150
PIPELINE = """
name: {name}
description: Will the parcel be late?
owner: {{team: parcels}}
partition: week
source:
  reader: {{kind: parquet, path: "source/orders-{{partition}}.parquet"}}
  event_time: ordered_at
  entity_key: [parcel]
  start: 2024-01-01
labels:
  reader: {{kind: csv, path: "source/outcomes-{{partition}}.csv"}}
  column: late
  delay_weeks: 1
features:
  transform: tests.jobs.weekly_parcels:features
  look_back_weeks: 3
  numeric: [weight, late_rate_2w, carrier_late_rate_2w, carrier_parcels_3w, last_weight]
  categorical: [carrier]
training:
  estimator: logistic_regression
  minimum_rows: 500
gate:
  mode: probation
monitoring:
  drift: {{history_weeks: 7, reference_weeks: 7}}
triggers:
  every_weeks: 3
  cool_down_weeks: 2
  budget: {{fits: 4, weeks: 12}}
alerts:
  rules: ["log_loss > 9 for 2 weeks"]
"""


def features(inputs: FeatureInputs) -> DataFrame:
    """Weight, carrier, who has been late lately, how many parcels there were, and the one before."""
    rows, groups = inputs.rows, {"carrier_": ["carrier"]}
    rows = add_trailing_rates(inputs, rows, groups, windows=(2,), name="late_rate", smoothing=5)
    rows = add_trailing_counts(inputs, rows, groups, (3,), "parcels", past=inputs.rows)
    return add_last_values(inputs, rows, ["carrier"], {"last_weight": "weight"}, past=inputs.rows)


def week(number: int) -> date:
    """The Monday of a week, counted from the first."""
    return FIRST + timedelta(weeks=number)


class WeeklyParcels(ParcelsInFiles):
    """Rows by the week."""

    DECLARATION = PIPELINE
    RATE = "late_rate_2w"

    def orders(self, monday: date) -> pd.DataFrame:
        """The rows of a week."""
        return random_parcels(monday, 7 * 86_400, ROWS, seed=monday.toordinal())

    def deliver(self, monday: date) -> None:
        """Write a week's files."""
        orders = self.orders(monday)
        source = self.folder / "source"
        orders.drop(columns="late").to_parquet(source / f"orders-{monday}.parquet", index=False)
        orders[["parcel", "late"]].to_csv(source / f"outcomes-{monday}.csv", index=False)
