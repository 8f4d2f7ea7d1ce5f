"""A tiny pipeline in a lake of its own, a ledger in SQLite, and a real MLflow server for the whole session."""

from __future__ import annotations

import importlib.util
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest

import jobs  # noqa: F401  sets what every job sets, before a test imports mlflow or sklearn
from tests.free_ports import free_port
from tidewheel.lake import Lake, Manifest
from tidewheel.ledger import Ledger, migrate
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import Settings, load_settings

START = date(2024, 1, 1)
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
  holdout_days: 3
  minimum_rows: 300
gate:
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
        unlabelled: int = 0,
        labels: bool = True,
        always_late: bool = False,
    ) -> Manifest:
        """Publish a day of features and (unless told otherwise) labels; `signal` is how much weight matters."""
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
        if labels:
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


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server with a registry, on a free port."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # eight more processes, for what we never use
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, cwd=folder, env=env, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 180  # on a busy machine, importing it alone takes most of a minute
        while not _healthy(url):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail((folder / "log").read_text())
            time.sleep(0.1)
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)


@pytest.fixture
def make_parcels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Parcels]:
    """Makes the pipeline in a home of its own; `name` must be new where a test uses MLflow."""

    def make(name: str = "parcels", **keys: str) -> Parcels:
        dags = tmp_path / "dags"
        dags.mkdir(exist_ok=True)
        filled = {"task": "classification", "estimator": "hist_gradient_boosting", "floors": "{roc_auc: 0.6}", **keys}
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


@pytest.fixture
def run_job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., JobRecord]:
    """Runs a job as its command line would, in this process; returns its record, or raises SystemExit."""

    def run(parcels: Parcels, job: str, partition: date | str, run_id: str, *options: str) -> JobRecord:
        assert importlib.util.find_spec(f"jobs.{job}")
        arguments = ["--pipeline", parcels.name, "--partition", str(partition), "--run-id", run_id, *options]
        monkeypatch.setattr(sys, "argv", [f"jobs.{job}", *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(f"jobs.{job}", run_name="__main__")
        if ended.value.code != 0:
            raise ended.value
        return read_record(parcels.lake, run_id, job)

    return run


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False
