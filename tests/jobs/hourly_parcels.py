"""An hourly pipeline with files as its source: rows by the hour, outcomes by the day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.as_of import add_last_values
from jobs.lookback import add_trailing_rates
from jobs.trailing import add_trailing_counts
from tidewheel.hours import HOURS, Hour, start_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs
    from tidewheel.lake import Lake

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
  start: {start}
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


@dataclass(frozen=True)
class HourlyParcels:
    """The project folder, and the pipeline's lake."""

    folder: Path
    name: str
    lake: Lake

    def orders(self, hour: Hour) -> pd.DataFrame:
        """The rows of an hour, in all of it; the outcome of heavy parcels and of the slow carrier is late."""
        rng = np.random.default_rng(hour.toordinal() * HOURS + hour.hour)
        seconds = np.linspace(0, 3599, ROWS).astype(int)
        orders = pd.DataFrame(
            {
                "parcel": [f"{hour}-{n:05}" for n in range(ROWS)],
                "ordered_at": [start_of(hour) + timedelta(seconds=int(s)) for s in seconds],
                "carrier": rng.choice(["fast", "slow"], ROWS),
                "weight": rng.normal(size=ROWS),
            }
        )
        chance = 1 / (1 + np.exp(-(2 * orders["weight"] + (orders["carrier"] == "slow"))))
        return orders.assign(late=(rng.random(ROWS) < chance).astype(int))

    def of_day(self, of: date) -> pd.DataFrame:
        """The rows of all hours of a day."""
        return pd.concat([self.orders(hour) for hour in hours(of)], ignore_index=True)

    def deliver(self, of: date) -> None:
        """Write a day's files: one for each hour, and one for the outcomes."""
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        for hour in hours(of):
            self.deliver_hour(hour)
        self.of_day(of)[["parcel", "late"]].to_csv(source / f"outcomes-{of}.csv", index=False)

    def deliver_hour(self, hour: Hour) -> Path:
        """Write an hour's rows."""
        file = self.folder / "source" / f"orders-{hour}.parquet"
        self.orders(hour).drop(columns="late").to_parquet(file, index=False)
        return file

    def declare(self) -> None:
        """Write the pipeline's file and its suites."""
        (self.folder / "dags").mkdir()
        (self.folder / "dags" / f"{self.name}.yaml").write_text(PIPELINE.format(name=self.name, start=FIRST))
        suites = self.folder / "expectations" / self.name
        suites.mkdir(parents=True)
        for suite, column in (("raw", "weight"), ("features", "late_rate_1d"), ("predictions", "prediction")):
            rule = {"type": "expect_column_to_exist", "kwargs": {"column": column}, "severity": "critical"}
            (suites / f"{suite}.json").write_text(json.dumps({"name": suite, "expectations": [rule], "meta": {}}))
