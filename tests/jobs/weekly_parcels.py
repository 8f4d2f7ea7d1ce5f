"""A weekly pipeline with files as its source: a file a week, named by its Monday."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.as_of import add_last_values
from jobs.lookback import add_trailing_rates
from jobs.trailing import add_trailing_counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.data.feature_inputs import FeatureInputs
    from tidewheel.lake import Lake

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


@dataclass(frozen=True)
class WeeklyParcels:
    """The project folder, and the pipeline's lake."""

    folder: Path
    name: str
    lake: Lake

    def orders(self, monday: date) -> pd.DataFrame:
        """The rows of a week, on all of its days; the outcome of heavy parcels and of the slow carrier is late."""
        rng = np.random.default_rng(monday.toordinal())
        begin = datetime.combine(monday, time(), tzinfo=UTC)
        seconds = np.linspace(0, 7 * 86_400 - 1, ROWS).astype(int)
        orders = pd.DataFrame(
            {
                "parcel": [f"{monday}-{n:05}" for n in range(ROWS)],
                "ordered_at": [begin + timedelta(seconds=int(s)) for s in seconds],
                "carrier": rng.choice(["fast", "slow"], ROWS),
                "weight": rng.normal(size=ROWS),
            }
        )
        chance = 1 / (1 + np.exp(-(2 * orders["weight"] + (orders["carrier"] == "slow"))))
        return orders.assign(late=(rng.random(ROWS) < chance).astype(int))

    def deliver(self, monday: date) -> None:
        """Write a week's files."""
        orders = self.orders(monday)
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        orders.drop(columns="late").to_parquet(source / f"orders-{monday}.parquet", index=False)
        orders[["parcel", "late"]].to_csv(source / f"outcomes-{monday}.csv", index=False)

    def declare(self) -> None:
        """Write the pipeline's file and its suites."""
        (self.folder / "dags").mkdir()
        (self.folder / "dags" / f"{self.name}.yaml").write_text(PIPELINE.format(name=self.name))
        suites = self.folder / "expectations" / self.name
        suites.mkdir(parents=True)
        for suite, column in (("raw", "weight"), ("features", "late_rate_2w"), ("predictions", "prediction")):
            rule = {"type": "expect_column_to_exist", "kwargs": {"column": column}, "severity": "critical"}
            (suites / f"{suite}.json").write_text(json.dumps({"name": suite, "expectations": [rule], "meta": {}}))
