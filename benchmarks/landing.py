"""Landing one large day, without a platform: seconds, and the memory that the job needs.

    python -m benchmarks.landing [--rows 5000000] [--columns 20] [--kind csv] [--runs 3] [--code DIR]

Makes a project in a temporary folder with one day in one file (needs about six times its size on the disk), and runs
`jobs.land` on it as a process, with this repository's code or that of another checkout. Two figures of memory: *own*
is what a limit counts and the system cannot take back, *all* includes pages of files that are mapped. The content hash
says whether two checkouts land the same bytes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tidewheel.lake import Lake
from tidewheel.runs import read_record
from tidewheel.settings import Settings

ROOT = Path(__file__).parents[1]
DAY = "2026-01-05"
MIDNIGHT = np.datetime64(DAY, "us")
WRITTEN = 250_000  # rows at a time
PIPELINE = """
name: large
description: One large day.
owner: {{team: benchmarks}}
source:
  reader: {{kind: {kind}, path: "day-{{partition}}.{kind}"}}
  event_time: happened_at
  entity_key: [row_id]
labels:
  reader: {{kind: parquet, path: "none-{{partition}}.parquet"}}
  column: label
  delay_days: 1
features: {{transform: "none:none", numeric: [number_0], categorical: []}}
"""


def main() -> None:
    """Print a line for each run, and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--columns", type=int, default=20, help="with the key and the event time")
    parser.add_argument("--kind", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--code", type=Path, nargs="+", default=[ROOT], help="checkouts whose job is run, in turns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "dags").mkdir()
        (project / "dags" / "large.yaml").write_text(PIPELINE.format(kind=options.kind))
        file = project / f"day-{DAY}.{options.kind}"
        _write(file, options.rows, options.columns)
        print(f"{file.name}: {options.rows} rows, {options.columns} columns, {file.stat().st_size / 1e6:.0f} MB")
        found: dict[Path, list[tuple[float, float, float, float]]] = {code: [] for code in options.code}
        for _ in range(options.runs):
            for code, runs in found.items():
                runs.append(_land(project, code))
        for code, runs in found.items():
            wall, cpu, own, everything = map(statistics.median, zip(*runs, strict=True))
            print(f"median {code}: {wall:.1f} s, CPU {cpu:.1f} s, own {own:.0f} MiB, all {everything:.0f} MiB")


def _write(file: Path, rows: int, columns: int) -> None:
    batches = _batches(rows, columns)
    first = next(batches)
    with (
        pq.ParquetWriter(file, first.schema)
        if file.suffix == ".parquet"
        else pa.csv.CSVWriter(file, first.schema) as writer
    ):
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)


def _batches(rows: int, columns: int) -> Iterator[pa.RecordBatch]:
    """The day in no order; of the columns beside key and time a third are numbers, integers and text each."""
    rng = np.random.default_rng(1)
    places = rng.permutation(rows)
    for begin in range(0, rows, WRITTEN):
        part = places[begin : begin + WRITTEN]
        made: dict[str, object] = {
            "row_id": [f"row-{place:010d}" for place in part],
            "happened_at": MIDNIGHT + rng.integers(0, 86_400_000_000, len(part)),
        }
        for n in range(columns - len(made)):
            numbers = rng.integers(0, 1_000_000, len(part))
            kinds = (
                ("number", numbers / 1000),
                ("integer", numbers),
                ("text", [f"value-{value}" for value in numbers]),
            )
            name, values = kinds[n % 3]
            made[f"{name}_{n}"] = values
        yield pa.record_batch(made)


def _land(project: Path, code: Path) -> tuple[float, float, float, float]:
    """Wall and CPU seconds, and the largest memory in MiB: own, and all."""
    home = project / "home"
    shutil.rmtree(home, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
    environment |= {
        "TIDEWHEEL_HOME": str(home),
        "TIDEWHEEL_PROJECT": str(project),
        "TIDEWHEEL_CODE_VERSION": "benchmark",
        "PYTHONPATH": str(code),
    }
    command = [sys.executable, "-m", "jobs.land", "--pipeline=large", f"--partition={DAY}", "--run-id=one"]
    began = time.monotonic()
    with (project / "log").open("wb") as log:
        job = psutil.Popen(command, cwd=project, env=environment, stdout=log, stderr=log)
        cpu = own = everything = 0.0
        while job.poll() is None:
            try:
                memory, times = job.memory_info(), job.cpu_times()
            except psutil.NoSuchProcess:
                break
            own, everything = max(own, memory.rss - memory.shared), max(everything, memory.rss)
            cpu = times.user + times.system
            time.sleep(0.02)
    if job.wait() != 0:
        raise SystemExit((project / "log").read_text())
    wall = time.monotonic() - began
    record = read_record(Lake.open("large", Settings(home=home, project=project)), "one", "land")
    (output,) = record.outputs
    found = wall, cpu, own / 2**20, everything / 2**20
    print(
        f"{code}: {wall:.1f} s, CPU {cpu:.1f} s, own {found[2]:.0f} MiB, all {found[3]:.0f} MiB, {output.content_hash}"
    )
    return found


if __name__ == "__main__":
    main()
