"""How long Airflow takes to read pipelines: one file, and one loop of a real DAG processor over a hundred.

    python -m benchmarks.parsing [number of pipelines]

Each pipeline is a copy of flight_delay under a name of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
READ_TWICE = """
import sys, time
from airflow.dag_processing.dagbag import DagBag
for _ in range(2):
    started = time.perf_counter()
    bag = DagBag(sys.argv[1])
    seconds = time.perf_counter() - started
    assert len(bag.dags) == 5, bag.import_errors
    print(f"seconds={seconds:.3f}")
"""


def copies(folder: Path, number: int) -> None:
    """Write `number` pipelines, each like flight_delay, with its DAG file."""
    yaml = (PROJECT / "dags" / "flight_delay.yaml").read_text(encoding="utf-8")
    python = (PROJECT / "dags" / "flight_delay.py").read_text(encoding="utf-8")
    folder.mkdir()
    for n in range(number):
        name = f"pipeline_{n:03}"
        (folder / f"{name}.yaml").write_text(yaml.replace("name: flight_delay", f"name: {name}"), encoding="utf-8")
        (folder / f"{name}.py").write_text(python, encoding="utf-8")


def environment(home: Path, dags: Path) -> dict[str, str]:
    """An Airflow of its own, on SQLite, that reads `dags` as the embedded platform does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "2",
        "TIDEWHEEL_HOME": str(home),
        "TIDEWHEEL_PROJECT": str(PROJECT),
        "PYTHONPATH": str(PROJECT),
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
    }


def one_file(home: Path) -> tuple[float, float]:
    """Seconds to read the flight_delay DAG file: with the imports it needs beyond Airflow's own, and without."""
    file = PROJECT / "dags" / "flight_delay.py"
    printed = _run([sys.executable, "-c", READ_TWICE, str(file)], environment(home, file.parent))
    first, second = (float(line.split("=")[1]) for line in printed.splitlines() if line.startswith("seconds="))
    return first, second


def one_loop(home: Path, number: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, that a DAG processor takes from its start until it has read every file once."""
    dags = home / "dags"
    copies(dags, number)
    env = environment(home, dags)
    _run(["airflow", "db", "migrate"], env)
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(["airflow", "dag-processor", "--num-runs", "1"], env)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = _run(["airflow", "dags", "list", "--output", "json"], env)
    read = len(json.loads(found[found.index("[{") :]))
    if read != 5 * number:
        raise SystemExit(f"{read} DAGs were read, expected {5 * number}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first, second = one_file(home)
        print(f"one file, first time in a process: {first:.2f} s")
        print(f"one file, warm: {second:.2f} s")
        seconds, cpu_seconds = one_loop(home, number)
        print(f"{number} pipelines in one loop of a DAG processor: {seconds:.1f} s ({cpu_seconds:.1f} s of CPU)")
