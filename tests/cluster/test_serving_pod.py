"""Pods that serve a model, on a real cluster: it comes from the lake, and what it answers goes there, each once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from jobs.data.request_log import RequestLog
from jobs.job import Job
from jobs.packaging.bento import BentoStore
from jobs.requests import work
from tests import small_models
from tests.cluster.images import SERVING_IMAGE
from tests.cluster.relay import Relay
from tests.cluster.serving import ServingPod
from tests.conftest import wait_until
from tidewheel.lake import Lake, Store
from tidewheel.options import RequestsOptions
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.kubernetes import Cluster
    from tidewheel.release.artifact import Artifact

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

AWAY_SECONDS = 60
LONGEST_WAIT_SECONDS = 30.0
"""From an answer to a reader of the lake, on a machine that is busy; measured: docs/how-to/containers.md."""
LOST_SECONDS = 2.0
"""A service writes its log once a second, and answers for a moment while it does."""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A Bento of the pipeline `orders`, built by BentoML."""
    trained, spec = small_models.train(), small_models.pipeline(tmp_path_factory.mktemp("pipeline"))
    store = BentoStore(tmp_path_factory.mktemp("home") / "bentos")
    return store.build(spec, "7", "run", trained.contract, trained.model).artifact


@pytest.fixture(scope="module")
def network(cluster: Cluster, s3_options: dict[str, object]) -> Iterator[Relay]:
    """The way from the pods to S3."""
    relay = Relay(cluster.host, int(str(s3_options["endpoint_url"]).rsplit(":", 1)[1]))
    yield relay
    relay.close()


@pytest.fixture
def settings(tmp_path: Path, cluster: Cluster, network: Relay, s3_options: dict[str, object]) -> Settings:
    bucket = f"lake-{uuid4().hex[:8]}"
    Store(f"s3://{bucket}", s3_options).fs.mkdir(bucket)
    (tmp_path / "home").mkdir()
    return Settings(
        home=tmp_path / "home",
        lake_url=f"s3://{bucket}/root",
        lake_options={**s3_options, "endpoint_url": f"http://{cluster.host}:{network.port}"},
        serving_image=SERVING_IMAGE,
    )


@pytest.fixture
def pod(cluster: Cluster, settings: Settings, artifact: Artifact) -> Iterator[ServingPod]:
    """A pod that is not created yet, whose model is in the lake."""
    artifact.publish(Lake.open("orders", settings))
    with cluster.namespace() as namespace:
        namespace.secret("tidewheel", {"TIDEWHEEL_LAKE_OPTIONS": json.dumps(settings.lake_options)})
        yield ServingPod(namespace, settings, artifact)


def logged(settings: Settings) -> Counter[str]:
    """How often each request is in the log, shipped or published."""
    now = datetime.now(UTC)
    found = RequestLog(settings, "orders").between(now - timedelta(days=1), now + timedelta(days=1))
    return Counter(found["request_id"])


def publish(settings: Settings, folder: Path) -> Counter[str]:
    """Run the job `requests`; returns how often each request is in the published batches."""
    lake, today = Lake.open("orders", settings), datetime.now(UTC).date().isoformat()
    job = Job(
        "requests",
        small_models.pipeline(folder),
        PartitionRange.parse(today),
        "run",
        settings,
        lake,
        RequestsOptions(),
        "code",
    )
    assert not work(job).warnings
    batches = [lake.need("requests", day) for day in lake.partitions("requests")]
    return Counter(lake.read_all(batches)["request_id"].to_pylist())


def test_a_pod_answers_as_the_model_did_offline_and_every_answer_is_in_the_lake_after_it_was_deleted(
    pod: ServingPod, settings: Settings, tmp_path: Path, record_property: Any
) -> None:
    created = time.monotonic()
    pod.create()
    pod.wait()
    record_property("seconds from pod to ready", round(time.monotonic() - created, 1))
    golden = pod.artifact.golden_rows()
    answer = httpx.post(f"{pod.url}/predict", json={"rows": [dict(each.row) for each in golden]}, timeout=30)
    assert answer.json()["predictions"] == pytest.approx([each.prediction for each in golden], abs=1e-6)
    with pod.asked() as callers:
        wait_until(lambda: len(callers.answered) > 300, "callers were answered")
        pod.delete()
    assert callers.refused, "it was deleted while it was asked"
    answered = {answer.headers["x-request-id"], *callers.answered}
    once = dict.fromkeys(answered, 1)
    published = publish(settings, tmp_path)
    assert {name: published[name] for name in answered} == once | {answer.headers["x-request-id"]: len(golden)}
    assert publish(settings, tmp_path) == published
    assert logged(settings) == published


def test_an_answer_is_in_the_lake_within_seconds(pod: ServingPod, settings: Settings, record_property: Any) -> None:
    pod.create()
    pod.wait()
    read: dict[str, float] = {}
    before, _ = pod.shipper_usage()
    with pod.asked() as callers:
        started = time.monotonic()
        while len(callers.answered) < 1000:
            found = logged(settings)
            read |= dict.fromkeys(found.keys() - read.keys(), time.time())
        seconds = time.monotonic() - started
        used, mebibytes = pod.shipper_usage()
    waits = sorted(at - callers.answered[name] for name, at in read.items())
    record_property("seconds from answer to lake", f"median {median(waits):.1f}, longest {waits[-1]:.1f}")
    record_property("shipper", f"{(used - before) / seconds:.2%} of a core, {mebibytes:.0f} MiB")
    record_property("answers a second", round(len(callers.answered) / seconds))
    assert waits[-1] < LONGEST_WAIT_SECONDS


def test_while_s3_is_away_the_endpoint_answers_and_afterwards_nothing_is_missing(
    pod: ServingPod, settings: Settings, tmp_path: Path, network: Relay
) -> None:
    pod.create()
    pod.wait()
    with pod.asked() as callers:
        wait_until(lambda: len(callers.answered) > 20, "callers were answered")
        network.cut()
        before, ends = len(callers.answered), time.monotonic() + AWAY_SECONDS
        wait_until(lambda: time.monotonic() > ends, "S3 was away long enough", AWAY_SECONDS + 10)
        assert len(callers.answered) > before + 100
        network.mend()
        wait_until(lambda: len(logged(settings)) > before + 100, "the log is in the lake")
    assert callers.refused == []
    assert "the request log waits in /requests, since the lake s3://" in pod.log("ship-requests")
    pod.delete()
    assert publish(settings, tmp_path) == Counter(dict.fromkeys(callers.answered, 1))


def test_a_service_that_is_killed_loses_what_it_had_not_written_and_is_started_again_in_its_pod(
    pod: ServingPod, settings: Settings, tmp_path: Path, record_property: Any
) -> None:
    pod.create()
    pod.wait()
    with pod.asked() as callers:
        wait_until(lambda: len(callers.answered) > 100, "callers were answered")
        pod.kill_service()
        wait_until(lambda: bool(callers.refused), "it was killed")
        killed = callers.refused[0]
        wait_until(lambda: max(callers.answered.values()) > killed, "it answers again", 120)
        assert pod.restarts() == 1
    pod.delete()
    published = publish(settings, tmp_path)
    lost = {name: at for name, at in callers.answered.items() if name not in published}
    record_property("answers lost by kill -9", f"{len(lost)} of {len(callers.answered)}")
    assert set(published.values()) == {1}
    assert all(killed - LOST_SECONDS < at <= killed for at in lost.values())


def test_a_model_that_is_not_what_its_name_says_is_named_by_the_pod(pod: ServingPod, settings: Settings) -> None:
    store, path = Lake.open("orders", settings).store, f"orders/bentos/{pod.artifact.content_hash}.tar"
    content = bytearray(store.read(path) or b"")
    content[content.index(b"import")] ^= 1
    store.replace(path, bytes(content))
    pod.create()
    wait_until(lambda: bool(pod.said_at_its_end("fetch-model")), "the pod has refused it", 120)
    said = pod.said_at_its_end("fetch-model")
    assert said.startswith(f"{settings.lake_root}/{path} holds other content than its name says, ")
    assert said.strip().endswith("release the version again, which publishes it")
