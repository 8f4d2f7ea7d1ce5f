"""A tiny pipeline, with parcels for its rows, in a lake of its own and with a ledger in SQLite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tidewheel.lake import Lake, Manifest
from tidewheel.ledger import Ledger, migrate
from tidewheel.settings import Settings, load_settings

START = date(2024, 1, 1)
FEW_TREES = "{max_iter: 20}"
PIPELINE = """
name: {name}
description: Will the parcel be late?
owner: {{team: parcels}}
task: {task}
source:
  reader: {{kind: parquet, path: "unused/{{partition}}.parquet"}}
  event_time: shipped_at
  entity_key: [parcel]
labels:
  reader: {{kind: parquet, path: "unused/{{partition}}.parquet"}}
  column: late
  delay_days: 2
features:
  transform: unused:unused
  numeric: [weight, distance]
  categorical: [carrier]
training:
  estimator: {estimator}
  parameters: {parameters}
  refit: {refit}
  holdout_days: 3
  minimum_rows: 300
gate:
  mode: {mode}
  floors: {floors}
"""


@dataclass
class Parcels:
    """The pipeline's lake, with days of synthetic parcels: heavier ones and those of carrier `slow` are late."""

    name: str
    lake: Lake
    ledger: Ledger
    settings: Settings

    def publish_day(
        self,
        day: date,
        *,
        rows: int = 120,
        signal: float = 2.0,
        shift: float = 0.0,
        unlabelled: int | None = 0,
        always_late: bool = False,
    ) -> Manifest:
        """Publish a day of features, and of labels.

        Args:
            day: the partition.
            rows: of its features.
            signal: how much weight matters.
            shift: mean of the weights.
            unlabelled: last rows that get no label; None: no labels are published.
            always_late: every parcel is late.
        """
        rng = np.random.default_rng(day.toordinal())
        weight, distance = rng.normal(shift, size=rows), rng.gamma(2, 100, size=rows)
        carrier = rng.choice(["fast", "slow", "other"], size=rows)
        chance = 1 / (1 + np.exp(-(signal * weight + (carrier == "slow"))))
        key = [f"{day}-{n:05}" for n in range(rows)]
        shipped = pa.array([datetime(day.year, day.month, day.day, 12, tzinfo=UTC)] * rows, pa.timestamp("us", "UTC"))
        features = pa.table(
            {
                "parcel": key,
                "shipped_at": shipped,
                "weight": pa.array(weight, mask=rng.random(rows) < 0.05),
                "distance": distance,
                "carrier": pa.array(carrier, mask=rng.random(rows) < 0.05),
            }
        )
        late = (rng.random(rows) < (1 if always_late else chance)).astype("int64")
        manifest = self._publish("features", day, features)
        if unlabelled is not None:
            known = rows - unlabelled
            self._publish(
                "labels", day, pa.table({"parcel": key[:known], "shipped_at": shipped[:known], "late": late[:known]})
            )
        return manifest

    def publish_days(self, count: int, *, first: date = START, **how: object) -> list[date]:
        """Publish some days in a row; returns them."""
        days = [first + timedelta(days=n) for n in range(count)]
        for day in days:
            self.publish_day(day, **how)  # type: ignore[arg-type]
        return days

    def _publish(self, dataset: str, day: date, table: pa.Table) -> Manifest:
        manifest = self.lake.write_table(dataset, day.isoformat(), table, {}, "test")
        self.lake.publish(manifest)
        return manifest


@pytest.fixture
def make_parcels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Parcels]:
    """Makes the pipeline in a home of its own; `name` must be new where a test uses MLflow."""

    def make(name: str = "parcels", **keys: str) -> Parcels:
        dags = tmp_path / "dags"
        dags.mkdir(exist_ok=True)
        filled = {"task": "classification", "estimator": "hist_gradient_boosting", "floors": "{roc_auc: 0.6}"}
        filled |= {"mode": "before", "refit": "when_it_pays", **keys}
        filled.setdefault("parameters", "{}" if "estimator" in keys else FEW_TREES)
        (dags / f"{name}.yaml").write_text(PIPELINE.format(name=name, **filled))
        database = f"sqlite:///{tmp_path}/ledger.db"
        for variable, value in {"HOME": tmp_path / "home", "PROJECT": tmp_path, "DATABASE_URL": database}.items():
            monkeypatch.setenv(f"TIDEWHEEL_{variable}", str(value))
        migrate(database)
        settings = load_settings()
        return Parcels(name, Lake.open(name, settings), Ledger(database), settings)

    return make


@pytest.fixture
def registered_parcels(
    make_parcels: Callable[..., Parcels],
    mlflow_url: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[..., Parcels]:
    """As `make_parcels`, with the MLflow server and a model name of the test's own."""
    monkeypatch.setenv("TIDEWHEEL_MLFLOW_URL", mlflow_url)
    name = f"p{abs(hash(request.node.nodeid)):x}"
    return lambda **keys: make_parcels(name, **keys)
