"""The Spark session: what it is told, where that can be read, and on which Java it runs."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest

from jobs.data.spark import find_java, spark_session
from tidewheel.errors import SettingsError
from tidewheel.settings import Settings


@pytest.mark.spark
@pytest.mark.slow
def test_keys_of_the_lake_reach_hadoop_and_stand_on_no_command_line(tmp_path: Path) -> None:
    options: dict[str, object] = {"key": "an-access-key", "secret": "a-secret", "endpoint_url": "http://127.0.0.1:1"}
    settings = Settings(home=tmp_path, lake_url="s3://bucket/lake", lake_options=options, spark_master="local[1]")
    # In a process of its own: an earlier test's JVM would be used again here.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        lines, keys = alone.submit(_spark_told, settings).result()
    assert any("java" in line and "http://127.0.0.1:1" in line for line in lines)
    assert not any("an-access-key" in line or "a-secret" in line for line in lines)
    assert keys == ["an-access-key", "a-secret"]


def _spark_told(settings: Settings) -> tuple[list[str], list[str]]:
    """The command lines below this process, and the keys that Hadoop uses."""
    spark = spark_session(settings, "keys")
    try:
        children = psutil.Process(os.getpid()).children(recursive=True)
        lines = [Path(f"/proc/{child.pid}/cmdline").read_text() for child in children]
        used = spark._jsparkSession.sessionState().newHadoopConf()
        return lines, [used.get(f"fs.s3a.{name}.key") for name in ("access", "secret")]
    finally:
        spark.stop()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell without any Java."""
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare")
def test_a_job_at_a_terminal_takes_the_java_that_the_platform_found() -> None:
    find_java(Settings(java_home="/opt/java"))
    assert os.environ["JAVA_HOME"] == "/opt/java"


@pytest.mark.usefixtures("bare")
def test_what_the_shell_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/my/java")
    find_java(Settings(java_home="/opt/java"))
    assert os.environ["JAVA_HOME"] == "/my/java"


@pytest.mark.usefixtures("bare")
def test_without_any_java_the_message_says_what_brings_one() -> None:
    with pytest.raises(SettingsError, match="`tidewheel up` brings one"):
        find_java(Settings())
