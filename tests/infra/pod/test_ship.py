"""Shipped or not, published or not, cut off or killed: each logged answer is read once."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from bentos.contract_kinds import SCHEMA as COUNTS_SCHEMA
from bentos.log_limits import LogLimits
from bentos.segments import COUNTS_SUFFIX, SegmentWriter, log_schema
from infra.pod.lake import LakeFiles as PodLake
from infra.pod.lake import open_lake
from infra.pod.ship import Shipper
from jobs.data.request_log import RequestLog
from jobs.job import Job
from jobs.requests import work
from tests import small_models
from tests.conftest import wait_until
from tidewheel.lake import Lake, Store
from tidewheel.options import RequestsOptions
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings

SCHEMA = log_schema([], [], [])
DAY = datetime.now(UTC).date().isoformat()
NOON = datetime.fromisoformat(f"{DAY}T12:00Z")


@dataclass
class Pod:
    """The shared folder of a pod, its writer, and an installation that reads the lake.

    Attributes:
        settings: of the installation, on another machine.
        folder: of the pod's request log.
        writer: the service's.
    """

    settings: Settings
    folder: Path
    writer: SegmentWriter

    def answer(self, *names: str, begun: datetime = NOON) -> None:
        """Log answers."""
        count = len(names)
        values = [names, range(count), [begun] * count, ["7"] * count, ["blue"] * count, [False] * count, [0.5] * count]
        arrays = [pa.array(column, kind.type) for column, kind in zip(values, SCHEMA, strict=True)]
        self.writer.write(begun, pa.record_batch(arrays, schema=SCHEMA))

    def lake(self) -> PodLake:
        """The lake as the pod opens it."""
        return open_lake(self.environment())

    def environment(self) -> dict[str, str]:
        options = json.dumps(self.settings.lake_options)
        return {"TIDEWHEEL_LAKE_URL": self.settings.lake_root, "TIDEWHEEL_LAKE_OPTIONS": options}

    def shipper(self, lake: PodLake | None = None) -> Shipper:
        """A sidecar that was just started."""
        return Shipper(self.folder, lake or self.lake(), "orders")

    def waiting(self) -> list[Path]:
        """Files of the pod's log."""
        return sorted(self.folder.glob("*/*.arrows"))

    def read(self) -> list[str]:
        """The ids that the guard would see."""
        found = RequestLog(self.settings, "orders").between(NOON - timedelta(days=1), NOON + timedelta(days=1))
        return found["request_id"].tolist()

    def publish(self) -> int:
        """Run the job; returns the rows of the day."""
        lake, days = Lake.open("orders", self.settings), PartitionRange.parse(DAY)
        pipeline = small_models.pipeline(self.settings.home)
        work(Job("requests", pipeline, days, "run", self.settings, lake, RequestsOptions(), "code"))
        return lake.need("requests", DAY).rows

    def inbox(self) -> list[str]:
        """What lies shipped in the lake."""
        return Lake.open("orders", self.settings).store.find("orders/requests/_inbox", "")


def a_pod(settings: Settings, folder: Path) -> Iterator[Pod]:
    settings.home.mkdir()
    writer = SegmentWriter(folder, "blue-7", LogLimits(segment_bytes=1))
    yield Pod(settings, folder, writer)
    writer.close()


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    settings = Settings(home=tmp_path / "home", lake_url=f"file://{tmp_path}/lake")
    yield from a_pod(settings, tmp_path / "requests")


@pytest.fixture
def pod_with_s3(tmp_path: Path, s3_options: dict[str, object]) -> Iterator[Pod]:
    bucket = f"ship-{uuid4().hex[:8]}"
    Store(f"s3://{bucket}", s3_options).fs.mkdir(bucket)
    settings = Settings(home=tmp_path / "home", lake_url=f"s3://{bucket}/root", lake_options=s3_options)
    yield from a_pod(settings, tmp_path / "requests")


def test_counts_of_requests_outside_the_contract_are_shipped_and_published_like_the_log(pod: Pod) -> None:
    counts = SegmentWriter(pod.folder, "blue-7", suffix=COUNTS_SUFFIX)
    row = dict(zip(COUNTS_SCHEMA.names, (NOON, "7", "blue", "", "", "answered", 3, 4), strict=True))
    counts.write(NOON, pa.RecordBatch.from_pylist([row], COUNTS_SCHEMA))
    counts.close()
    pod.answer("a")
    pod.writer.close()
    pod.shipper().ship()
    assert list(pod.folder.glob("*/*")) == []
    assert pod.read() == ["a"], "counts are no requests"
    assert pod.publish() == 1
    lake = Lake.open("orders", pod.settings)
    published = lake.read(lake.need("request_counts", DAY), ["requests", "rows"])
    assert published.to_pylist() == [{"requests": 3, "rows": 4}]


class Cut:
    """A lake that does not answer until it is mended, or only after it has stored what was written."""

    def __init__(self, lake: PodLake, *, stores: bool = False) -> None:
        self._lake, self.root, self.cut, self.stores = lake, lake.root, True, stores
        self.open = lake.open
        self.calls = 0

    def write(self, path: str, content: bytes) -> None:
        self.calls += 1
        if self.stores or not self.cut:
            self._lake.write(path, content)
        if self.cut:
            raise OSError("connection refused")


@pytest.mark.parametrize("kind", ["pod", "pod_with_s3"])
def test_what_a_pod_has_answered_is_read_from_the_lake_while_its_file_grows_and_afterwards(
    kind: str, request: pytest.FixtureRequest
) -> None:
    pod: Pod = request.getfixturevalue(kind)
    shipper = pod.shipper()
    assert (shipper.ship(), pod.read()) == (0, [])
    pod.writer = SegmentWriter(pod.folder, "blue-7")
    pod.answer("a", "b")
    assert (shipper.ship(), pod.read()) == (1, ["a", "b"])
    pod.answer("c")
    assert (shipper.ship(), pod.read()) == (1, ["a", "b", "c"])
    assert (len(pod.waiting()), len(pod.inbox())) == (1, 1)
    assert pod.publish() == 3
    pod.answer("d")
    assert (shipper.ship(), pod.read()) == (1, ["a", "b", "c", "d"]), "published or not, each once"
    pod.writer.close()
    assert (shipper.ship(), pod.waiting()) == (0, []), "nobody appends to it any more"
    assert pod.publish() == 4
    assert pod.read() == ["a", "b", "c", "d"]


def test_a_file_that_was_followed_by_another_leaves_the_pod(pod: Pod) -> None:
    shipper = pod.shipper()
    for name in "abc":
        pod.answer(name)
    assert shipper.ship() == 1
    assert len(pod.waiting()) == 1
    assert len(pod.inbox()) == 3
    assert pod.read() == ["a", "b", "c"]


def test_a_shipper_that_was_killed_ships_again_and_nothing_is_counted_twice(pod: Pod) -> None:
    for name in "abc":
        pod.answer(name)
    stored = Cut(pod.lake(), stores=True)
    with pytest.raises(OSError, match="refused"):
        pod.shipper(stored).ship()  # the lake has it, and the pod never hears of it
    assert len(pod.read()) == 1
    assert pod.publish() == 1
    for path in pod.inbox():
        Lake.open("orders", pod.settings).store.remove(path)
    pod.shipper().ship()
    assert pod.publish() == 3
    assert pod.read() == ["a", "b", "c"]


def test_the_job_deletes_what_it_has_published_once_no_pod_can_write_it_again(pod: Pod) -> None:
    pod.answer("a")
    pod.answer("b")
    pod.writer.close()
    pod.shipper().ship()
    assert pod.publish() == 2
    assert len(pod.inbox()) == 2, "a pod may write them again"
    root = Path(pod.settings.lake_root.removeprefix("file://"))
    os.utime(root / pod.inbox()[0], (time.time() - 7 * 3600,) * 2)
    assert pod.publish() == 2
    assert len(pod.inbox()) == 1
    assert pod.read() == ["a", "b"]
    assert pod.publish() == 2


def test_a_shipped_file_that_was_damaged_is_published_without_its_damage_and_set_aside(pod: Pod) -> None:
    pod.answer("first", "second")
    pod.writer.close()
    pod.shipper().ship()
    [shipped] = pod.inbox()
    path = Path(pod.settings.lake_root.removeprefix("file://")) / shipped
    content = bytearray(path.read_bytes())
    content[content.index(b"second")] = ord("x")
    path.write_bytes(content)
    os.utime(path, (0, 0))
    lake, days = Lake.open("orders", pod.settings), PartitionRange.parse(DAY)
    pipeline = small_models.pipeline(pod.settings.home)
    result = work(Job("requests", pipeline, days, "run", pod.settings, lake, RequestsOptions(), "code"))
    assert f"file://{path} was changed after it was written: " in result.warnings[0]
    assert pod.inbox() == [f"{shipped}.damaged"]


def test_while_the_lake_is_away_the_log_waits_in_the_pod_and_it_is_said_once(
    pod: Pod, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.pod.ship.SHIP_SECONDS", 0.01)
    monkeypatch.setattr("infra.pod.ship.FIRST_PAUSE_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, "tidewheel.ship")
    for name in "abc":
        pod.answer(name)
    lake, ending = Cut(pod.lake()), threading.Event()
    running = threading.Thread(target=pod.shipper(lake).run, args=(ending,))
    running.start()
    wait_until(lambda: lake.calls > 3, "it tries again and again")
    assert (pod.read(), len(pod.waiting())) == ([], 3)
    ending.set()
    pod.writer.close()
    lake.cut = False
    running.join(30)
    assert not running.is_alive()
    assert (pod.read(), pod.waiting()) == (["a", "b", "c"], [])
    first, last = (record.getMessage() for record in caplog.records)
    assert first == f"the request log waits in {pod.folder}, since the lake {lake.root} refuses it: connection refused"
    assert last.startswith(f"the request log of {pod.folder} is in the lake {lake.root} again, after ")


def test_sigterm_ships_the_rest_and_ends_once_the_service_has_ended(pod: Pod) -> None:
    pod.writer = SegmentWriter(pod.folder, "blue-7")
    pod.answer("before")
    command = [sys.executable, "-m", "infra.pod.ship", "orders", str(pod.folder)]
    with subprocess.Popen(command, env={**os.environ, **pod.environment()}) as shipper:
        wait_until(lambda: pod.read() == ["before"], "it ships")
        shipper.send_signal(signal.SIGTERM)
        pod.answer("while it ends")
        pod.writer.close()
        assert shipper.wait(30) == 0
    assert pod.read() == ["before", "while it ends"]
    assert pod.waiting() == []


def test_a_full_folder_refuses_and_takes_again_what_comes_after_something_has_left_it(pod: Pod) -> None:
    pod.answer("a")
    [file] = pod.waiting()
    size = file.stat().st_size
    pod.writer = SegmentWriter(pod.folder, "blue-7", LogLimits(segment_bytes=1, folder_bytes=3 * size))
    pod.answer("b")
    pod.answer("c")
    with pytest.raises(OSError, match="the log's files may take 0 MiB"):
        pod.answer("d")
    pod.shipper().ship()
    pod.answer("e")
    pod.writer.close()
    pod.shipper().ship()
    assert pod.read() == ["a", "b", "c", "e"]


def test_a_program_that_cannot_know_the_lake_says_so_and_ends(pod: Pod) -> None:
    command = [sys.executable, "-m", "infra.pod.ship", "orders", str(pod.folder)]
    environment = {**os.environ, "TIDEWHEEL_LAKE_URL": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("TIDEWHEEL_LAKE_URL is ''; expected s3://BUCKET/FOLDER")
