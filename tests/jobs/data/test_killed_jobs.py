"""kill -9 in the middle: nothing becomes visible, and the rerun has the content of an undisturbed run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import wait_until
from tests.jobs.data.conftest import FIRST, Deliveries, run_job
from tests.jobs.deadly_jobs import kill_job_where, start_job

DAYS = [FIRST + timedelta(days=n) for n in range(20)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"


def test_a_killed_landing_leaves_nothing_visible_and_its_rerun_has_the_same_content(deliveries: Deliveries) -> None:
    deliveries.put(*DAYS, rows=2000)
    undisturbed = run_job(deliveries, "land", RANGE, "undisturbed").outputs
    written = _files(deliveries, "landing")

    _kill_where(deliveries, "land", "killed", "tidewheel.lake:Lake.stage", 11)

    assert _files(deliveries, "landing") > written
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
    _kill_where(deliveries, "validate", "r", "tidewheel.lake:Lake.publish", 11, "--stage", "raw")
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


def _kill_where(deliveries: Deliveries, job: str, run_id: str, called: str, call: int, *options: str) -> None:
    kill_job_where(job, _arguments(run_id, *options), deliveries.folder / "log", called, call)


def _kill_when(deliveries: Deliveries, job: str, run_id: str, condition: Callable[[], bool]) -> None:
    """Start a job and kill it, and what it has started, as soon as the condition holds."""
    log = deliveries.folder / "log"
    process = start_job(job, _arguments(run_id), log)
    group = process.pid or 0
    try:
        wait_until(lambda: condition() or not process.is_alive(), f"{job} has begun to write", seconds=240)
    finally:
        os.killpg(group, signal.SIGKILL)
    process.join(10)
    assert process.exitcode == -signal.SIGKILL, log.read_text()


def _arguments(run_id: str, *options: str) -> list[str]:
    return ["--pipeline", "deliveries", "--partition", RANGE, "--run-id", run_id, *options]
