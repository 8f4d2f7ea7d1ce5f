"""A pipeline that has everything, to be given up or renamed, and a process that is killed on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyarrow as pa
import pytest

from infra.local import LocalBackend
from tests.infra.local.conftest import House, Place
from tests.mlflow_server import mlflow_url  # noqa: F401  a fixture
from tests.pipelines import PIPELINE_FILE
from tidewheel.lake import Lake, Store
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.rename import Rename
from tidewheel.retirement.retire import Retirement
from tidewheel.runs import JobRecord, write_record
from tidewheel.settings import Settings

DAY = "2026-11-21"
DAG_FILE = '"""The Airflow DAGs of the pipeline that `{name}.yaml` declares."""\n'


@dataclass(frozen=True)
class Shop:
    """A pipeline that has everything: files, code, suites, data, a ledger, models and an endpoint."""

    place: Place
    settings: Settings
    told: list[str]

    @property
    def name(self) -> str:
        return self.place.pipeline.name

    def serve(self) -> None:
        """Put version 1 behind the endpoint."""
        self.place.executor.run(self.place.executor.begin("1", "run").number)

    @property
    def retirement(self) -> Retirement:
        """As a new process would make it."""
        releases = Releases(Ledger(self.settings.require("database_url")))
        return Retirement(self.settings, self.name, LocalBackend(self.settings, self.name), releases, self.told.append)

    def rename(self, new: str) -> Rename:
        """As a new process would make it; the release builds with the Bentos that are there."""

        def release() -> None:
            pipeline = self.place.pipeline.model_copy(update={"name": new})
            ledger = Releases(Ledger(self.settings.require("database_url")))
            executor = Executor(pipeline, LocalBackend(self.settings, new), ledger, self.place.build)
            version = MlflowModels(self.settings).champion(new)
            assert version is not None
            executor.run(executor.begin(version, "rename").number)

        return Rename(self.settings, self.name, new, self.retirement, release)

    def ask(self, name: str) -> httpx.Response:
        """What callers get."""
        row = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
        return httpx.post(f"{self.settings.endpoint_url}/{name}/predict", json={"rows": [row]}, timeout=10)


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings of the shop's lake: a folder, or for tests that say so a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return {"lake_url": f"file://{tmp_path}/lake"}
    options, bucket = request.getfixturevalue("s3_options"), f"lake-{uuid4().hex}"
    Store(f"s3://{bucket}", options).fs.mkdir(bucket)
    return {"lake_url": f"s3://{bucket}/root", "lake_options": options}


@pytest.fixture
def shop(
    place: Place,
    house: House,
    tmp_path: Path,
    mlflow_url: str,  # noqa: F811
    lake: dict[str, Any],
) -> Iterator[Shop]:
    name = place.pipeline.name
    for folder in ("dags", f"expectations/{name}", f"jobs/pipelines/{name}"):
        (tmp_path / folder).mkdir(parents=True)
    declared = PIPELINE_FILE.replace("name: orders", f"name: {name}")
    (tmp_path / f"dags/{name}.yaml").write_text(declared.replace("pipelines.orders", f"pipelines.{name}"))
    (tmp_path / f"dags/{name}.py").write_text(DAG_FILE.format(name=name))
    (tmp_path / f"expectations/{name}/raw.json").write_text("{}")
    (tmp_path / f"jobs/pipelines/{name}/transform.py").write_text(f"from jobs.pipelines.{name}.parts import features\n")
    settings = Settings(
        home=house.layout.home,
        project=tmp_path,
        **lake,
        endpoint_url=house.endpoint_url,
        envoy_admin_url=house.admin_url,
        database_url=place.releases.ledger.engine.url.render_as_string(hide_password=False),
        mlflow_url=mlflow_url,
    )
    data = Lake.open(name, settings)
    data.publish(data.write_table("features", DAY, pa.table({"id": [1, 2]}), {}, "code"))
    links = {"Report": f"{name}/reports/{DAY}/raw.html"}
    write_record(data, JobRecord(pipeline=name, job="land", run_id="r", partition=DAY, links=links))
    ledger = place.releases.ledger
    ledger.record(name, DAY, "r", Verdict(Kind.GATE, Outcome.PASSED, "good"), datetime.now(UTC))
    ledger.request_training(name, "because", datetime.now(UTC))
    register(settings, name)
    yield Shop(place, settings, [])
    for left in (name, f"{name}_2"):
        backend = LocalBackend(settings, left)
        backend.route(Traffic())
        for colour in Colour:
            backend.stop(colour)
        shutil.rmtree(settings.home / "renames" / left, ignore_errors=True)
        MlflowModels(settings).delete(left)


def register(settings: Settings, name: str) -> None:
    """Two versions, of which the first is champion, and an experiment."""

    def post(path: str, **fields: str) -> None:
        httpx.post(f"{settings.mlflow_url}/api/2.0/mlflow/{path}", json=fields, timeout=30).raise_for_status()

    post("experiments/create", name=name)
    post("registered-models/create", name=name)
    for _ in range(2):
        post("model-versions/create", name=name, source=f"s3://models/{uuid4().hex}")
    post("registered-models/alias", name=name, alias="champion", version="1")


class killed_after:
    """A process that ends, for whatever reason, as soon as it has done a step."""

    def __init__(self, kind: object, step: str, patch: pytest.MonkeyPatch) -> None:
        self._kind, self._step, self._patch = kind, step, patch

    def __enter__(self) -> None:
        done = getattr(self._kind, self._step)

        def end(*arguments: object) -> None:
            done(*arguments)
            raise KeyboardInterrupt(self._step)

        self._patch.setattr(self._kind, self._step, end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        self._patch.undo()
        assert kind is KeyboardInterrupt, f"{self._step} was not reached"
        return True
