"""What the default retraining policy is worth: on the flights of 2013, and on streams that stay or turn.

    python -m benchmarks.replay flights [--home FOLDER] [--seeds N] [--policy P ...]   # March to December
    python -m benchmarks.replay streams [--seeds N]

*flights* makes the features of the year where FOLDER has none (one Spark run), and does what `tidewheel replay` does;
page and JSON stay in FOLDER. *streams* plays 120 days of 900 made-up rows with the default triggers and gate: one
stream that never changes, one whose labels turn on day 60, one that loses a third of a column's effect there.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from jobs.data.training_data import PARTITION, LabelledDay
from jobs.models.metrics import measure
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.kept import Kept
from jobs.replay.play import Play, play
from jobs.replay.policies import Declared, Fixed
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.runs import BatchReference, read_record
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline

FLIGHTS = "flight_delay"
YEAR = PartitionRange(date(2013, 1, 1), date(2013, 12, 31))
JUDGED = PartitionRange(date(2013, 3, 1), date(2013, 12, 30))  # the labels of the 31st come after the data ends

BEGIN = date(2024, 1, 1)
FIRST, TURN, LAST = (BEGIN + timedelta(days=n) for n in (30, 60, 119))
ROWS = 900
STREAM = {
    "name": "stream",
    "description": "Made-up rows, to see when a policy trains",
    "owner": {"team": "benchmarks"},
    "source": {
        "reader": {"kind": "parquet", "path": "unused/{partition}"},
        "event_time": "at",
        "entity_key": ["row"],
    },
    "labels": {"reader": {"kind": "parquet", "path": "unused/{partition}"}, "column": "label"},
    "features": {"transform": "unused:unused", "numeric": ["a", "b", "c"], "categorical": ["kind"]},
    "training": {"estimator": "logistic_regression"},
}


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["flights", "streams"])
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder of the flights' lake, kept")
    parser.add_argument("--seeds", type=int, default=3, help="plays of each policy, or streams of each kind")
    parser.add_argument("--policy", action="append", default=[], help="flights: as tidewheel replay takes it")
    options = parser.parse_args()
    if options.what == "flights":
        flights(options.home, options.seeds, options.policy)
    else:
        streams(options.seeds)


def flights(home: Path, seeds: int, policies: list[str]) -> None:
    """Play March to December."""
    os.environ["TIDEWHEEL_HOME"] = str(home.resolve())
    make_features(Lake.open(FLIGHTS, load_settings()))
    chosen = [option for policy in policies for option in ("--policy", policy)]
    command = [sys.executable, "-m", "jobs.replay", "--pipeline", FLIGHTS, "--partition", str(JUDGED)]
    command += ["--run-id", "replay", "--seeds", str(seeds), *chosen]
    sys.exit(subprocess.run(command, check=False).returncode)


def make_features(lake: Lake) -> None:
    """Land the year and compute its features, where that has not been done; published unjudged."""
    if lake.partitions("features") == YEAR.keys:
        return
    for job in ("land", "features"):
        command = [sys.executable, "-m", f"jobs.{job}", "--pipeline", FLIGHTS, "--partition", str(YEAR)]
        subprocess.run([*command, "--run-id", "replay"], check=True)
        for output in read_record(lake, "replay", job).outputs:
            lake.publish(lake.manifest(output.dataset, output.partition, output.content_hash))


@dataclass(frozen=True)
class Kind:
    """One kind of stream.

    Attributes:
        name: what happens.
        effects: of the columns a, b, c on a day.
    """

    name: str
    effects: Callable[[date], tuple[float, float, float]]


KINDS = (
    Kind("never changes", lambda day: (1.5, -1.0, 0.5)),
    Kind("turns on day 60", lambda day: (1.5, -1.0, 0.5) if day < TURN else (-1.5, -1.0, 0.5)),
    Kind("weakens on day 60", lambda day: (1.5, -1.0, 0.5) if day < TURN else (1.0, -1.0, 0.5)),
)


def streams(seeds: int) -> None:
    """Play each kind of stream with the default triggers and gate, beside frozen and weekly models."""
    pipeline, played = Pipeline.model_validate(STREAM), PartitionRange(FIRST, LAST)
    print(f"{'stream':<20} {'trainings':>9} {'alarms':>7} {'promoted':>8} {'days to training':>16} ", end="")
    print(f"{'log-loss: spec':>14} {'frozen':>7} {'weekly':>7}   means of {seeds}; refused, if any, are trainings, too")
    weekly = frozenset(played.days[6:-1:7])
    for kind in KINDS:
        found = []
        for seed in range(seeds):
            history = stream(pipeline, kind, seed)
            truth = history.taken(played.days).truth
            with tempfile.TemporaryDirectory() as folder:
                fitter = Fitter(pipeline, seed, Kept(Path(folder)))
                plays = [
                    play(history, policy, played, fitter)
                    for policy in (
                        Declared("spec", pipeline),
                        Fixed("frozen", pipeline),
                        Fixed("weekly", pipeline, weekly),
                    )
                ]
            losses = [measure(truth, one.answers, pipeline.task)["log_loss"] for one in plays]
            spec = plays[0]
            found.append(
                [len(spec.trainings) - 1, fired_alarms(spec), spec.promotions, days_to_training(spec), *losses]
            )
        mean = np.nanmean(np.array(found, dtype=float), axis=0)
        print(
            f"{kind.name:<20} {mean[0]:>9.1f} {mean[1]:>7.1f} {mean[2]:>8.1f} {mean[3]:>16.1f} "
            f"{mean[4]:>14.4f} {mean[5]:>7.4f} {mean[6]:>7.4f}",
            flush=True,
        )


def fired_alarms(spec: Play) -> int:
    """Trainings that were called for because something was found wrong."""
    return sum(decision.fired and bool(decision.alarms) for decision in spec.decisions)


def days_to_training(spec: Play) -> float:
    """Days from the turn to the first training that was called for by an alarm; NaN where there was none."""
    fired = [d.day for d in spec.decisions if d.fired and d.alarms and d.day >= TURN]
    return float((fired[0] - TURN).days) if fired else float("nan")


def stream(pipeline: Pipeline, kind: Kind, seed: int) -> History:
    """120 days; how much of a day's rows is late differs from day to day, as in real life."""
    frames, days = [], []
    for number in range((LAST - BEGIN).days + 1):
        day = BEGIN + timedelta(days=number)
        rng = np.random.default_rng([seed, number])
        columns = {name: rng.normal(size=ROWS) for name in pipeline.features.numeric}
        effect = sum(e * column for e, column in zip(kind.effects(day), columns.values(), strict=True))
        logit = effect - 1 + rng.normal(scale=0.15)
        label = (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype("float64")
        frame = pd.DataFrame({PARTITION: str(day), **columns, "kind": rng.choice(["x", "y"], ROWS), "label": label})
        frames.append(frame)
        content = hashlib.sha256(f"{kind.name} {seed} {day}".encode()).hexdigest()
        batches = [
            BatchReference(dataset=dataset, partition=str(day), content_hash=content, rows=ROWS)
            for dataset in ("features", "labels")
        ]
        days.append(LabelledDay(day=day, features=batches[0], labels=batches[1]))
    return History.of(pipeline, days, pd.concat(frames, ignore_index=True))


if __name__ == "__main__":
    main()
