"""What the default retraining policy is worth on the flights of 2013, March to December.

    python -m benchmarks.replay [--home FOLDER] [--seeds N] [--policy P ...]

Makes the features of the year where FOLDER has none (one Spark run), and does what `tidewheel replay` does; page and
JSON stay in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.runs import read_record
from tidewheel.settings import load_settings

FLIGHTS = "flight_delay"
YEAR = PartitionRange(date(2013, 1, 1), date(2013, 12, 31))
JUDGED = PartitionRange(date(2013, 3, 1), date(2013, 12, 30))  # the labels of the 31st come after the data ends


def main() -> None:
    """Play March to December."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder of the flights' lake, kept")
    parser.add_argument("--seeds", type=int, default=3, help="plays of each policy")
    parser.add_argument("--policy", action="append", default=[], help="as tidewheel replay takes it")
    options = parser.parse_args()
    make_features(open_lake(options.home))
    chosen = [option for policy in options.policy for option in ("--policy", policy)]
    command = [sys.executable, "-m", "jobs.replay", "--pipeline", FLIGHTS, "--partition", str(JUDGED)]
    command += ["--run-id", "replay", "--seeds", str(options.seeds), *chosen]
    sys.exit(subprocess.run(command, check=False).returncode)


def open_lake(home: Path) -> Lake:
    """The flights' lake in a folder, which is this process's home from then on."""
    os.environ["TIDEWHEEL_HOME"] = str(home.resolve())
    return Lake.open(FLIGHTS, load_settings())


def make_features(lake: Lake) -> None:
    """Land the year and compute its features, where that has not been done; published unjudged."""
    if lake.partitions("features") == YEAR.keys:
        return
    for job in ("land", "features"):
        command = [sys.executable, "-m", f"jobs.{job}", "--pipeline", FLIGHTS, "--partition", str(YEAR)]
        subprocess.run([*command, "--run-id", "replay"], check=True)
        for output in read_record(lake, "replay", job).outputs:
            lake.publish(lake.manifest(output.dataset, output.partition, output.content_hash))


if __name__ == "__main__":
    main()
