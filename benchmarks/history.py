"""A history of small days on disk, without a platform: seconds and log lines of each job over the whole range.

    python -m benchmarks.history [--days 90] [--code DIR]

Makes a project in a temporary folder with the sample pipeline of `tidewheel new`, and runs its jobs as processes, with
this repository's code or that of another checkout. Work is what the records of the jobs say, CPU time is
of the whole process: it stands still while other work is on the machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from infra.embedded.installation import find_java_home
from infra.embedded.layout import Layout
from tidewheel.lake import Lake
from tidewheel.runs import read_record
from tidewheel.settings import Settings

ROOT = Path(__file__).parents[1]
NAME = "shop"
FIRST = date(2026, 1, 1)
JOBS = (("land",), ("validate", "--stage", "raw"), ("features",), ("validate", "--stage", "features"))


def main() -> None:
    """Print a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=90, help="length of the history")
    parser.add_argument("--code", type=Path, default=ROOT, help="checkout whose jobs are run")
    options = parser.parse_args()
    partitions = f"{FIRST}..{FIRST + timedelta(days=options.days - 1)}"
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        ignored = shutil.ignore_patterns("__pycache__", "flight_delay")
        for room in ("jobs", "tidewheel"):
            shutil.copytree(options.code / room, project / room, ignore=ignored)
        for room in ("dags", "expectations"):
            (project / room).mkdir()
        layout = Layout(project / "home")
        layout.create()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
        environment |= {"TIDEWHEEL_HOME": str(layout.home), "TIDEWHEEL_PROJECT": str(project)}
        environment["JAVA_HOME"] = str(find_java_home(layout))

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, *arguments]
            return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True)

        run("-c", "from tidewheel.cli.app import main; main()", "new", NAME)
        lake = Lake.open(NAME, Settings(home=layout.home, project=project))
        print(f"{'job':<26} {'batches':>7} {'work s':>7} {'CPU s':>6} {'log lines':>9}")
        for job, *rest in JOBS:
            before = _cpu_seconds()
            ran = run("-m", f"jobs.{job}", "--pipeline", NAME, "--partition", partitions, "--run-id", "history", *rest)
            record = read_record(lake, "history", "-".join([job, *rest[1:]]))
            batches, lines = len(record.outputs), len(ran.stderr.splitlines())
            print(
                f"{record.job + ' ' + ' '.join(rest[1:]):<26} {batches:>7} {record.seconds:>7.1f} "
                f"{_cpu_seconds() - before:>6.1f} {lines:>9}"
            )


def _cpu_seconds() -> float:
    """Spent by the processes that were waited for, imports included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
