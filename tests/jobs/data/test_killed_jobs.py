"""kill -9 in the middle: nothing becomes visible, and the rerun has the content of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import wait_until
from tests.jobs.data.conftest import FIRST, Deliveries, run_job

DAYS = [FIRST + timedelta(days=n) for n in range(20)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"


def test_a_killed_landing_leaves_nothing_visible_and_its_rerun_has_the_same_content(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS, rows=2000)
    undisturbed = run_job(deliveries, "land", RANGE, "undisturbed").outputs
    written = _files(deliveries, "landing")

    _kill_when(deliveries, "land", "killed", lambda: _files(deliveries, "landing") > written)

    assert deliveries.lake.partitions("landing") == []
    assert not deliveries.lake.store.read("deliveries/runs/killed/land.json")
    assert run_job(deliveries, "land", RANGE, "killed").outputs == undisturbed


@pytest.mark.spark
@pytest.mark.slow
def test_killed_features_leave_nothing_visible_and_their_rerun_has_the_same_content(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    deliveries.publish(run_job(deliveries, "land", RANGE, "r"))
    undisturbed = run_job(deliveries, "features", RANGE, "r").outputs
    written = _files(deliveries, "features")

    _kill_when(deliveries, "features", "r", lambda: _files(deliveries, "features") > written)

    assert deliveries.lake.partitions("features") == []
    assert run_job(deliveries, "features", RANGE, "r").outputs == undisturbed


def test_a_killed_validation_publishes_whole_days_or_none(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS)
    landed = run_job(deliveries, "land", RANGE, "r")
    _kill_when(deliveries, "validate", "r", lambda: bool(deliveries.lake.partitions("landing")), "--stage", "raw")
    assert 0 < len(deliveries.lake.partitions("landing")) < len(DAYS)
    assert all(
        deliveries.lake.read(deliveries.lake.need("landing", day)).num_rows == 40 for day in _published(deliveries)
    )

    assert run_job(deliveries, "validate", RANGE, "r", "--stage", "raw").outputs == landed.outputs
    assert _published(deliveries) == [str(day) for day in DAYS]


def _published(deliveries: Deliveries) -> list[str]:
    return deliveries.lake.partitions("landing")


def _files(deliveries: Deliveries, dataset: str) -> int:
    return len(deliveries.lake.store.find(f"deliveries/{dataset}/_data", ".parquet"))


def _kill_when(deliveries: Deliveries, job: str, run_id: str, condition: Callable[[], bool], *options: str) -> None:
    """Start a job as a process of its own and kill it, and what it started, as soon as the condition holds."""
    arguments = ["--pipeline", "deliveries", "--partition", RANGE, "--run-id", run_id, *options]
    with (deliveries.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"jobs.{job}", *arguments], stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: condition() or process.poll() is not None, f"{job} has begun to write", seconds=240)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL, (deliveries.folder / "log").read_text()
