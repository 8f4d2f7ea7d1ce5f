"""The Spark session: what it is told, and where that can be read."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from jobs.spark import spark_session
from tidewheel.settings import Settings


@pytest.mark.spark
@pytest.mark.slow
def test_keys_of_the_lake_reach_hadoop_and_stand_on_no_command_line(tmp_path: Path) -> None:
    options: dict[str, object] = {"key": "an-access-key", "secret": "a-secret", "endpoint_url": "http://127.0.0.1:1"}
    settings = Settings(home=tmp_path, lake_url="s3://bucket/lake", lake_options=options, spark_master="local[1]")
    spark = spark_session(settings, "keys")
    try:
        children = psutil.Process(os.getpid()).children(recursive=True)
        lines = [Path(f"/proc/{child.pid}/cmdline").read_text() for child in children]
        assert any("java" in line and "http://127.0.0.1:1" in line for line in lines)
        assert not any("an-access-key" in line or "a-secret" in line for line in lines)
        used = spark._jsparkSession.sessionState().newHadoopConf()
        assert [used.get(f"fs.s3a.{name}.key") for name in ("access", "secret")] == ["an-access-key", "a-secret"]
    finally:
        spark.stop()
