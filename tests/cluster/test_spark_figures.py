"""How long the same features take in one pod and on two executors; only where TIDEWHEEL_TEST_FIGURES is set."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cluster.airflow import RUN
from tests.cluster.tasks import SMALL_EXECUTORS, staged, task
from tidewheel.runs import JobRecord, write_record

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation
    from tidewheel.lake import Lake

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not os.environ.get("TIDEWHEEL_TEST_FIGURES"), reason="TIDEWHEEL_TEST_FIGURES is not set"),
]

FIRST, DAYS, ROWS_A_DAY, TIMES = date(2026, 1, 1), 8, 125_000, 3


@pytest.fixture
def more_of_the_pipeline() -> str:
    """Two executors, however few rows there are."""
    return SMALL_EXECUTORS


def publish(lake: Lake) -> str:
    """Publish days of made-up orders and their labels, and return the range."""
    random = np.random.default_rng(7)
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        key = pa.array([f"{day}-{row:06d}" for row in range(ROWS_A_DAY)])
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        seconds = np.sort(random.integers(0, 86_400, ROWS_A_DAY))
        orders = {
            "order_id": key,
            "ordered_at": pa.array([begin + timedelta(seconds=int(s)) for s in seconds], pa.timestamp("us", "UTC")),
            "amount": random.gamma(2, 30, ROWS_A_DAY),
            "items": random.integers(1, 9, ROWS_A_DAY),
            "channel": random.choice(["web", "app", "shop"], ROWS_A_DAY),
        }
        labels = {"order_id": key, "returned": random.integers(0, 2, ROWS_A_DAY)}
        for dataset, columns in (("landing", orders), ("labels", labels)):
            path = f"{lake.fresh_folder(dataset)}/{uuid4().hex}.parquet"
            with lake.store.open(path, "wb") as file:
                pq.write_table(pa.table(columns), file, compression="zstd")
            lake.publish(lake.stage(dataset, str(day), [path], {}, "figures"))
    days = f"{FIRST}..{FIRST + timedelta(days=DAYS - 1)}"
    write_record(lake, JobRecord(pipeline="shop", job="land", run_id=RUN, partition=days))
    return days


def test_two_executors_against_one_pod(installation: Installation) -> None:
    days = publish(installation.lake)
    seconds: dict[int, list[float]] = {0: [], 2: []}
    hashes = []
    for _ in range(TIMES):
        for executors in seconds:
            made = task("features", days=days, resources={"cpu": 0.9, "memory": "3Gi", "executors": executors})
            started = time.monotonic()
            made.run()
            assert made.operator is not None
            assert made.operator.outcome is not None
            assert made.operator.outcome.record is not None
            seconds[executors].append(made.operator.outcome.record.seconds)
            hashes.append(staged(made))
            print(f"executors {executors}: job {seconds[executors][-1]:.0f} s, task {time.monotonic() - started:.0f} s")  # noqa: T201
    assert all(one == hashes[0] for one in hashes)
    print({executors: median(taken) for executors, taken in seconds.items()})  # noqa: T201
