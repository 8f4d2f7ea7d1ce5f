"""How the features job grows: rows a second at 1, 10 and 100 copies of the flights year.

    python -m benchmarks.features [--copies 1 10 100] [--home FOLDER]

Each copy has the year's flights under keys of its own; Spark makes the copies, and they are published unjudged. What
is measured is the job as a process, from its start to its end, and the memory of everything it starts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import psutil
from pyspark.sql import functions as F

from jobs.data.feature_inputs import PARTITION, read_manifests
from jobs.data.spark import spark_session
from tidewheel.lake import Lake, Store
from tidewheel.partitions import PartitionRange
from tidewheel.runs import JobRecord, read_record, write_record
from tidewheel.settings import load_settings

PIPELINE = "flight_delay"
YEAR = PartitionRange(date(2013, 1, 1), date(2013, 12, 31))
DATASETS = ("landing", "labels")


def main() -> None:
    """Print one line for each number of copies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("build/features"), help="folder of the lakes, kept")
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 10, 100], help="how many times the year")
    options = parser.parse_args()
    year = _landed(options.home.resolve() / "year")
    print(f"{'copies':>6} {'rows':>12} {'seconds':>8} {'rows/s':>9} {'peak MiB':>9}")
    for copies in options.copies:
        home = options.home.resolve() / f"{copies}-copies"
        lake = _copied(year, home, copies)
        seconds, peak = _timed(_features(home))
        rows = sum(output.rows for output in read_record(lake, "bench", "features").outputs)
        print(f"{copies:>6} {rows:>12,} {seconds:>8.0f} {rows / seconds:>9,.0f} {peak >> 20:>9,}", flush=True)
        lake.store.remove(f"{PIPELINE}/features")


def _landed(home: Path) -> Lake:
    """The year itself, landed and published."""
    lake = _lake(home)
    if len(lake.partitions("landing")) < len(YEAR.keys):
        command = [sys.executable, "-m", "jobs.land", "--pipeline", PIPELINE, "--partition", str(YEAR)]
        subprocess.run([*command, "--run-id", "bench"], check=True, env={**os.environ, "TIDEWHEEL_HOME": str(home)})
        for output in read_record(lake, "bench", "land").outputs:
            lake.publish(lake.manifest(output.dataset, output.partition, output.content_hash))
    return lake


def _copied(year: Lake, home: Path, copies: int) -> Lake:
    """A lake with the year several times, made by Spark."""
    lake = _lake(home)
    if len(lake.partitions("landing")) == len(YEAR.keys):
        return lake
    landed = sum(year.need("landing", key).rows for key in YEAR.keys)
    spark = spark_session(load_settings(), "copies", copies * landed)
    numbers = spark.range(copies).select(F.format_string("%03d", "id").alias("copy"))
    for dataset in DATASETS:
        manifests = [year.need(dataset, key) for key in year.partitions(dataset)]
        key = F.concat_ws("-", "copy", "flight_id").alias("flight_id")
        rows = read_manifests(spark, year, manifests, spark.range(0).schema).crossJoin(F.broadcast(numbers))
        others = [column for column in rows.columns if column not in ("copy", "flight_id")]
        folder = lake.fresh_folder(dataset)
        days = rows.select(key, *others).repartition(PARTITION)
        days.write.partitionBy(PARTITION).parquet(lake.store.url(folder))
        for path in lake.store.find(folder, ".parquet"):
            day = path.split(f"{PARTITION}=")[1].split("/")[0]
            lake.publish(lake.stage(dataset, day, [path], {}, "benchmark"))
    spark.stop()
    write_record(lake, JobRecord(pipeline=PIPELINE, job="land", run_id="bench", partition=str(YEAR)))
    return lake


def _lake(home: Path) -> Lake:
    return Lake(PIPELINE, Store((home / "lake").as_uri(), {}))


def _features(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.features", "--pipeline", PIPELINE, "--partition", str(YEAR)]
    return subprocess.Popen([*command, "--run-id", "bench"], env={**os.environ, "TIDEWHEEL_HOME": str(home)})


def _timed(process: subprocess.Popen[bytes]) -> tuple[float, int]:
    """Seconds until the process ends, and the most memory it and its children held at once, in bytes."""
    started, peak = time.monotonic(), 0
    while process.poll() is None:
        peak = max(peak, _resident(psutil.Process(process.pid)))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(f"jobs.features ended with {process.returncode}")
    return time.monotonic() - started, peak


def _resident(process: psutil.Process) -> int:
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
