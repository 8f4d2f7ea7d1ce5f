"""A small pipeline with files as its source, in a project of its own: a test breaks the files and runs the jobs."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tidewheel.lake import Lake
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import load_settings

FIRST = date(2024, 3, 1)
PIPELINE = """
name: deliveries
description: Will the parcel be late?
owner: {team: parcels}
source:
  reader: {kind: parquet, path: "source/orders-{partition}.parquet"}
  event_time: ordered_at
  entity_key: [parcel]
  start: 2024-03-01
  end: 2024-03-31
labels:
  reader: {kind: csv, path: "source/outcomes-{partition}.csv"}
  column: late
  delay_days: 2
features:
  transform: tests.jobs.data.deliveries:features
  look_back_days: 8
  numeric: [weight, late_rate_7d, late_rate_3d, carrier_late_rate_7d, carrier_late_rate_3d, route_late_rate_7d]
  categorical: [carrier]
"""
RAW = [
    ("expect_column_to_exist", {"column": "weight"}),
    ("expect_column_values_to_be_of_type", {"column": "weight", "type_": "float64"}),
    ("expect_column_values_to_not_be_null", {"column": "weight"}),
    ("expect_column_values_to_be_in_set", {"column": "carrier", "value_set": ["fast", "slow"]}),
]
FEATURES = [("expect_column_values_to_be_between", {"column": "late_rate_7d", "min_value": 0, "max_value": 1})]


@dataclass(frozen=True)
class Deliveries:
    """The project folder, and what its jobs have made."""

    folder: Path
    lake: Lake

    def orders(self, day: date, rows: int = 40) -> pd.DataFrame:
        """The rows of a day, as a good source has them."""
        rng = np.random.default_rng(day.toordinal())
        midnight = datetime.combine(day, time(), tzinfo=UTC)
        return pd.DataFrame(
            {
                "parcel": [f"{day}-{n:05}" for n in rng.permutation(rows)],
                "ordered_at": [midnight + timedelta(seconds=int(s)) for s in rng.integers(0, 86_400, rows)],
                "carrier": rng.choice(["fast", "slow"], rows),
                "town": rng.choice(["Ham", "Ulm", "Bonn"], rows),
                "weight": rng.gamma(2, 3, rows),
            }
        )

    def source_file(self, day: date) -> Path:
        """Where the orders of a day lie."""
        return self.folder / "source" / f"orders-{day}.parquet"

    def put(self, *days: date, rows: int = 40) -> None:
        """Write good files of some days; the outcome of one parcel in ten is not known."""
        for day in days:
            orders = self.orders(day, rows)
            orders.to_parquet(self.source_file(day), index=False)
            rng = np.random.default_rng(-day.toordinal() % 2**32)
            late = (rng.random(rows) < np.where(orders.carrier == "slow", 0.6, 0.2)).astype(float)
            late[rng.random(rows) < 0.1] = np.nan
            outcomes = pd.DataFrame({"parcel": orders.parcel, "late": pd.array(late).astype("Int64")})
            outcomes.to_csv(self.folder / "source" / f"outcomes-{day}.csv", index=False)

    def suite(self, name: str, expectations: list[tuple[str, dict[str, object]]], severity: str = "critical") -> None:
        """Write an expectation suite."""
        rules = [{"type": kind, "kwargs": kwargs, "severity": severity} for kind, kwargs in expectations]
        file = self.folder / "expectations" / "deliveries" / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"name": name, "expectations": rules, "meta": {}}))

    def publish(self, record: JobRecord) -> None:
        """Publish what a job staged, without judging it."""
        for output in record.outputs:
            self.lake.publish(self.lake.manifest(output.dataset, output.partition, output.content_hash))

    def hashes(self, dataset: str) -> dict[str, str]:
        """Content of the published batches, by day."""
        return {day: self.lake.need(dataset, day).content_hash for day in self.lake.partitions(dataset)}

    def quarantined(self, dataset: str) -> list[str]:
        """Paths of what is in quarantine, below the dataset."""
        return self.lake.store.find(f"deliveries/{dataset}/_quarantine", "")


def make_deliveries(folder: Path) -> Deliveries:
    """Lay out a project; TIDEWHEEL_HOME and TIDEWHEEL_PROJECT must point there."""
    for name in ("source", "dags"):
        (folder / name).mkdir(parents=True)
    (folder / "dags" / "deliveries.yaml").write_text(PIPELINE)
    made = Deliveries(folder, Lake.open("deliveries", load_settings()))
    made.suite("raw", RAW)
    made.suite("features", FEATURES)
    return made


@contextmanager
def project(folder: Path) -> Iterator[None]:
    """Point the settings at a project for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEWHEEL_HOME", str(folder / "home"))
        patch.setenv("TIDEWHEEL_PROJECT", str(folder))
        patch.setenv("TIDEWHEEL_CODE_VERSION", "test")
        patch.delenv("TIDEWHEEL_DATABASE_URL", raising=False)
        yield


@pytest.fixture
def deliveries(tmp_path: Path) -> Iterator[Deliveries]:
    """The project, with its settings in the environment."""
    with project(tmp_path):
        yield make_deliveries(tmp_path)


def run_job(made: Deliveries, job: str, partition: date | str, run_id: str, *options: str) -> JobRecord:
    """Run a job as its command line would, in this process; returns its record, whatever its exit code.

    Raises:
        SystemExit: the job ended otherwise than with done (0) or data refused (3).
    """
    arguments = ["--pipeline", "deliveries", "--partition", str(partition), "--run-id", run_id, *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"jobs.{job}", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"jobs.{job}", run_name="__main__")
    if ended.value.code not in (0, 3):
        raise ended.value
    name = f"{job}-{options[options.index('--stage') + 1]}" if "--stage" in options else job
    record = read_record(made.lake, run_id, name)
    assert (record.refused is not None) == (ended.value.code == 3)
    return record
