"""The one place that makes a Spark session."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread

from pyspark.sql import SparkSession

from jobs.data.executors import Executors
from tidewheel.errors import SettingsError
from tidewheel.settings import Settings

ROWS_PER_TASK = 500_000
LARGE = 1_000_000  # rows
# A night's few thousand rows are done before the optimising compiler pays: without it a job costs half the CPU time.
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


STDERR = 2
CHATTER = (
    b"WARNING: Using incubator modules",
    b"Using Spark's default log4j profile",
    b"Setting default log level to",
    b"To adjust logging level use",
    b"Setting Spark log level to",
    b"WARN Utils: Your hostname",
    b"WARN Utils: Set SPARK_LOCAL_IP",
    b"WARN NativeCodeLoader: Unable to load native-hadoop library",
)
"""What Java and Spark say at each start, whatever it is for."""


def spark_session(
    settings: Settings,
    name: str,
    rows: int = 0,
    executors: Executors | None = None,
    options: Mapping[str, str] | None = None,
) -> SparkSession:
    """A session in UTC, quiet, with shuffle partitions and compiler to fit the rows.

    Args:
        settings: master and memory of the driver, which runs inside this job.
        name: shown in Spark's own pages.
        rows: about how many rows will be shuffled.
        executors: pods that do the work; without, this process does.
        options: the pipeline's own options of Spark.

    Raises:
        PlatformError: no executor could be started.
    """
    find_java(settings)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    cores = executors.cores * executors.asks.executors if executors else os.cpu_count() or 1
    conf = {**_common(max(cores, -(-rows // ROWS_PER_TASK))), **_driver(settings, rows)}
    conf |= executors.conf(executors.write_template()) if executors else _alone(settings)
    builder = SparkSession.builder.appName(name)
    for key, value in {**conf, **(options or {})}.items():
        builder = builder.config(key, value)
    with _without_chatter():
        session = builder.getOrCreate()
    if executors:
        executors.await_first(session)
    return session


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Let a Java that starts meanwhile write its errors through a filter, without what it says at each start."""
    reading, writing = os.pipe()
    stderr = os.dup(STDERR)
    os.dup2(writing, STDERR)
    os.close(writing)
    Thread(target=_pass_on, args=(reading, os.dup(stderr)), daemon=True, name="Java's errors").start()
    try:
        yield
    finally:
        os.dup2(stderr, STDERR)
        os.close(stderr)


def _pass_on(reading: int, writing: int) -> None:
    """Copy lines until nobody writes any more, which is when Java has ended."""
    with os.fdopen(reading, "rb") as lines, os.fdopen(writing, "wb", buffering=0) as target:
        for line in lines:
            if not any(words in line for words in CHATTER):
                target.write(line)


def find_java(settings: Settings) -> None:
    """See that Spark finds a Java runtime: JAVA_HOME, else the one that the platform uses, else one on the PATH.

    Raises:
        SettingsError: there is none.
    """
    if os.environ.get("JAVA_HOME"):
        return
    if settings.java_home:
        os.environ["JAVA_HOME"] = settings.java_home
    elif shutil.which("java") is None:
        raise SettingsError(
            "Spark needs Java 17 or newer, but JAVA_HOME is not set and there is no `java` on the PATH; `tidewheel up` "
            "brings one that every job finds, or set JAVA_HOME"
        )


def _common(partitions: int) -> Mapping[str, str]:
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",  # what Arrow and everybody else reads
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",  # the manifest says so
        "spark.sql.timeType.enabled": "true",  # columns of times of day, which Spark 4.3 has and does not offer
        "spark.log.level": "ERROR",
    }


def _driver(settings: Settings, rows: int) -> Mapping[str, str]:
    return {
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraJavaOptions": QUICK_START if rows < LARGE else "",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",  # listing files needs no Spark job
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": str(settings.spark_folder),
        "spark.sql.warehouse.dir": (settings.home / "spark-warehouse").as_uri(),
    }


def _alone(settings: Settings) -> Mapping[str, str]:
    return {
        "spark.master": settings.spark_master,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
