"""A lake on S3: what lands there and what Spark makes of it are the same bytes as in a folder."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.jobs.data.conftest import FIRST, Deliveries, make_deliveries, project, run_job
from tidewheel.lake import Store

pytestmark = [pytest.mark.spark, pytest.mark.slow]

DAYS = [FIRST + timedelta(days=n) for n in range(5)]
RANGE = f"{DAYS[0]}..{DAYS[-1]}"


def made(folder: Path) -> Deliveries:
    """Five days, landed and turned into features."""
    folder.mkdir()
    with project(folder):
        deliveries = make_deliveries(folder)
        deliveries.put(*DAYS)
        no_weight = deliveries.orders(DAYS[1]).assign(weight=None)  # a column of which nothing is known
        no_weight.to_parquet(deliveries.source_file(DAYS[1]), index=False)
        for job in ("land", "features"):
            deliveries.publish(run_job(deliveries, job, RANGE, "r"))
        return deliveries


def test_landing_and_features_are_the_same_bytes_on_s3_as_in_a_folder(
    tmp_path: Path, s3_options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_folder = made(tmp_path / "folder")
    Store("s3://deliveries-lake", s3_options).fs.mkdir("deliveries-lake")
    monkeypatch.setenv("TIDEWHEEL_LAKE_URL", "s3://deliveries-lake/root")
    monkeypatch.setenv("TIDEWHEEL_LAKE_OPTIONS", json.dumps(s3_options))
    on_s3 = made(tmp_path / "s3")
    assert on_s3.lake.store.find("deliveries/features/_data", ".parquet")
    for dataset in ("landing", "labels", "features"):
        assert on_s3.hashes(dataset) == in_a_folder.hashes(dataset)
    assert len(on_s3.hashes("features")) == len(DAYS)
