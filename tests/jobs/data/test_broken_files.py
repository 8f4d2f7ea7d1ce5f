"""A file of the lake that changed after it was written: each job that reads it says which, and computes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, run_job

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"


@pytest.fixture
def landed(deliveries: Deliveries) -> Deliveries:
    """Three days, landed and published."""
    deliveries.put(*DAYS)
    deliveries.publish(run_job(deliveries, "land", RANGE, "r"))
    return deliveries


def flip(made: Deliveries, dataset: str, day: str) -> str:
    """Change one bit in the middle of a day's file; returns its path."""
    [file] = made.lake.files(made.lake.need(dataset, day))
    path = Path(made.lake.store.local(file.path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return file.path


@pytest.mark.parametrize(
    ("job", "options", "dataset"),
    [
        pytest.param("features", (), "landing", marks=pytest.mark.spark),
        pytest.param("features", (), "labels", marks=pytest.mark.spark),
        ("validate", ("--stage", "raw"), "landing"),
    ],
)
def test_one_changed_bit_stops_the_job_with_the_files_name(
    landed: Deliveries, job: str, options: tuple[str, ...], dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = flip(landed, dataset, str(FIRST))
    with pytest.raises(SystemExit) as ended:
        run_job(landed, job, RANGE, "r", *options)
    assert ended.value.code == 1
    assert f"{path} is not what the manifest of {dataset}/{FIRST} says: its sha256 is" in caplog.text
    assert "make the partition again" in caplog.text
