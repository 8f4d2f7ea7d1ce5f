"""One night on the platform that is up: features, scoring and monitoring of one day, and where the seconds go.

    python -m benchmarks.night [--day 2013-03-04] [--pipeline flight_delay]

Wants a played demo (`make demo`), so that there is a champion. The day is computed again where it exists. Work and
imports are what the jobs' records say; the rest of the wall time is Airflow's.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, date, datetime

from infra.embedded.health import tree_memory
from infra.embedded.platform import Platform
from tidewheel.airflow_api import AirflowApi, DagRun
from tidewheel.errors import LakeError
from tidewheel.lake import Lake
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import load_settings

DAGS = ("features", "scoring", "monitoring")
POLL_SECONDS = 0.5


def main() -> None:
    """Print a line for each job, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=date.fromisoformat, default=date(2013, 3, 4), help="partition to compute")
    parser.add_argument("--pipeline", default="flight_delay", help="pipeline to run")
    options = parser.parse_args()
    settings = load_settings()
    lake, key = Lake.open(options.pipeline, settings), options.day.isoformat()
    supervisord = Platform(settings).supervisor.pid()
    if supervisord is None:
        parser.error("the platform is not up: play `make demo` first")
    began, peak, runs = time.monotonic(), 0, list[DagRun]()
    with AirflowApi.open(settings) as api:
        started = f"bench__{datetime.now(UTC):%Y%m%dT%H%M%S}"
        before = {(run.dag_id, run.run_id) for dag in DAGS for run in api.runs(f"{options.pipeline}.{dag}")}
        api.trigger(f"{options.pipeline}.features", started, partition_key=key)
        for dag in DAGS:
            while not (run := _ended(api, f"{options.pipeline}.{dag}", key, before)):
                peak = max(peak, tree_memory(supervisord))
                time.sleep(POLL_SECONDS)
            runs.append(run)
        wall = time.monotonic() - began
        print(f"{'task':<40} {'state':<8} {'task s':>7} {'work s':>7} {'imports s':>9} {'peak MB':>8}")
        records = [record for run in runs for record in _printed(api, lake, run)]
    imports = sum(record.import_seconds for record in records)
    work = sum(record.seconds for record in records)
    print(f"{wall:.1f} s: work {work:.1f}, imports {imports:.1f}, orchestration {wall - work - imports:.1f}")
    print(f"largest memory of the whole platform meanwhile: {peak / 1e9:.2f} GB")


def _ended(api: AirflowApi, dag: str, key: str, before: set[tuple[str, str]]) -> DagRun | None:
    """The new run of the day, once it has ended."""
    new = (run for run in api.runs(dag) if run.partition_key == key and (dag, run.run_id) not in before)
    return next((run for run in new if run.ended), None)


def _printed(api: AirflowApi, lake: Lake, run: DagRun) -> list[JobRecord]:
    """Print a run's tasks; their jobs' records."""
    records = []
    for task in api.tasks(run.dag_id, run.run_id):
        line = f"{run.dag_id + ': ' + task.task_id:<40} {task.state or '':<8} {task.seconds or 0:>7.1f}"
        try:
            record = read_record(lake, run.run_id, task.task_id.replace("_", "-"))
        except LakeError:  # a task that runs no job
            print(line)
            continue
        records.append(record)
        print(f"{line} {record.seconds:>7.1f} {record.import_seconds:>9.1f} {record.peak_memory_bytes / 1e6:>8.0f}")
    return records


if __name__ == "__main__":
    main()
