"""A release as its job does it: pods fetch the version from the lake, where the release has put it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest

from jobs.job import Job
from jobs.packaging import bento
from jobs.release import executor_of
from tests.cluster.releases import ServingHouse
from tests.infra.release_contract import ROW
from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import ReleaseError
from tidewheel.lake import Lake, Store
from tidewheel.options import ReleaseOptions
from tidewheel.partitions import PartitionRange
from tidewheel.release.backend import open_backend
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic, reroute
from tidewheel.spec import load_pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SERVING = """
serving: {resources: {cpu: 0.1, memory: 768Mi}, latency_budget_ms: 5000}
release: {bake_seconds: 0, memory_budget_mb: 2000}
"""


@pytest.fixture
def job(
    house: ServingHouse,
    s3: dict[str, object],
    database_url: str,
    tmp_path: Path,
    as_releaser: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Job[ReleaseOptions]]:
    """A release job of a pipeline whose lake is in S3 and whose Bento is built."""
    name, bucket = f"p_{uuid4().hex[:8]}_", f"lake-{uuid4().hex[:8]}"
    Store(f"s3://{bucket}", s3).fs.mkdir(bucket)
    (tmp_path / "dags").mkdir()
    file = tmp_path / "dags" / f"{name}.yaml"
    file.write_text(PIPELINE_FILE.replace("name: orders", f"name: {name}") + SERVING)
    lake = {"lake_url": f"s3://{bucket}/root", "lake_options": s3, "project": tmp_path}
    settings = house.settings(database_url).model_copy(update=lake)
    # In place of a registry: what is built, whatever the version.
    built = SimpleNamespace(artifact=house.artifacts["1"])
    monkeypatch.setattr(bento, "bento_of", lambda settings, pipeline, version: built)
    house.namespace.secret("tidewheel", {"TIDEWHEEL_LAKE_OPTIONS": json.dumps(s3)})
    options, days = ReleaseOptions(), PartitionRange.parse("2026-01-05")
    yield Job("release", load_pipeline(file), days, "run", settings, Lake.open(name, settings), options, "code")
    file.unlink()  # as where the pipeline is retired: nothing else says how to stop it
    backend = open_backend(settings, name)
    reroute(backend, Traffic())
    for colour in Colour:
        backend.stop(colour)
    house.namespace.forget_secret("tidewheel")


def test_a_release_is_fetched_from_the_lake_by_its_pods(job: Job[ReleaseOptions]) -> None:
    executor = executor_of(job)
    executor.run(executor.begin("1", "run").number)
    endpoint = f"{job.settings.require('endpoint_url')}/{job.pipeline.name}"
    answer = httpx.post(f"{endpoint}/predict", json={"rows": [ROW]}, timeout=10)
    assert (answer.status_code, answer.json()["model_version"]) == (200, "1"), answer.text
    backend = open_backend(job.settings, job.pipeline.name)
    assert backend.all_traffic(job.settings)[job.pipeline.name] == Traffic(Colour.BLUE)


def test_a_secret_that_is_missing_is_named_by_the_release_and_the_next_one_is_fetched(
    job: Job[ReleaseOptions], house: ServingHouse
) -> None:
    house.namespace.forget_secret("tidewheel")
    executor = executor_of(job)
    expected = f'secret "tidewheel" not found; create it in namespace {house.namespace.name}'
    with pytest.raises(ReleaseError, match=expected):
        executor.run(executor.begin("1", "run").number)
    house.namespace.secret("tidewheel", {"TIDEWHEEL_LAKE_OPTIONS": json.dumps(job.settings.lake_options)})
    executor.run(executor.begin("1", "again").number)
    assert open_backend(job.settings, job.pipeline.name).traffic() == Traffic(Colour.BLUE)
