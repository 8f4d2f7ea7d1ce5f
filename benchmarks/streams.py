"""What the default retraining policy does on streams that stay, turn, drift or misbehave.

    python -m benchmarks.streams [--seeds N] [--world PART-OF-ITS-NAME]

Each world of `benchmarks.made_up_streams` is played for 150 days by a pipeline file that says nothing about training,
triggers or gate, beside models that stay frozen or are trained every week, and a calendar with as many fits as the
default took. Losses are means over the seeds, above what weekly training loses.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.made_up_streams import BEGIN, DAYS, FIRST_PLAYED, TURN, WORLDS, World, pipeline_of, stream
from jobs.models.metrics import measure
from jobs.replay.fits import Fitter
from jobs.replay.kept import Kept
from jobs.replay.play import Play, play
from jobs.replay.policies import Declared, Fixed, spread
from tidewheel.partitions import PartitionRange

PLAYED = PartitionRange(BEGIN + timedelta(days=FIRST_PLAYED), BEGIN + timedelta(days=DAYS - 1))
TURNED = BEGIN + timedelta(days=TURN)


@dataclass(frozen=True)
class Outcome:
    """What came of one stream.

    Attributes:
        fits: by the default policy, after the first model.
        alarms: trainings that were called for because something was found wrong.
        refused: challengers that the gate did not let through.
        answered: days from what happens suddenly to the first training that an alarm called for; NaN: none.
        losses: of the default, the frozen and the weekly model, and of the calendar with equal fits.
    """

    fits: int
    alarms: int
    refused: int
    answered: float
    losses: tuple[float, float, float, float]


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="streams of each world")
    parser.add_argument("--world", default="", help="only the worlds whose name has this in it")
    options = parser.parse_args()
    worlds = [world for world in WORLDS if options.world in world.name]
    if not worlds:
        parser.error(f"--world {options.world}: none of {', '.join(world.name for world in WORLDS)}")
    head = "fits", "alarms", "refused", "answered", "loss weekly", "default", "equal", "frozen", "kept"
    print(f"{'world':<36}" + "".join(f"{name:>12}" for name in head))
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        asked = list(product(range(len(WORLDS)), range(options.seeds)))
        found = {key: processes.submit(outcome, *key) for key in asked if WORLDS[key[0]] in worlds}
        for number, world in enumerate(WORLDS):
            if world in worlds:
                print(line(world, [found[number, seed].result() for seed in range(options.seeds)]), flush=True)


def outcome(number: int, seed: int) -> Outcome:
    """Play one stream.

    Args:
        number: of the world; worlds hold functions, which do not travel between processes.
        seed: of the stream and of the models.
    """
    world = WORLDS[number]
    history, pipeline = stream(world, seed), pipeline_of(world)
    truth = history.taken(PLAYED.days).truth
    metric = pipeline.metric

    def loss(one: Play) -> float:
        return measure(truth, one.answers, pipeline.task)[metric]

    with tempfile.TemporaryDirectory() as folder:
        fitter = Fitter(pipeline, seed, Kept(Path(folder)))
        default = play(history, Declared("spec", pipeline), PLAYED, fitter)
        calendars = [frozenset[date](), frozenset(PLAYED.days[6:-1:7]), spread(PLAYED, default.fits)]
        fixed = [play(history, Fixed("calendar", pipeline, days), PLAYED, fitter) for days in calendars]
    fired = [decision.day for decision in default.decisions if decision.fired and decision.alarms]
    after = [day for day in fired if day >= TURNED and world.sudden]
    return Outcome(
        fits=default.fits - 1,
        alarms=len(fired),
        refused=default.rejections,
        answered=float((after[0] - TURNED).days) if after else float("nan"),
        losses=(loss(default), *(loss(one) for one in fixed)),  # type: ignore[arg-type]
    )


def line(world: World, outcomes: list[Outcome]) -> str:
    """One line of the table: losses above weekly's in percent of it, and the share of weekly's gain that was kept."""
    counts = np.mean([[one.fits, one.alarms, one.refused] for one in outcomes], axis=0)
    answered = [one.answered for one in outcomes if not np.isnan(one.answered)]
    default, frozen, weekly, equal = np.mean([one.losses for one in outcomes], axis=0)
    above = [100 * (loss / weekly - 1) for loss in (default, equal, frozen)]
    kept = f"{(frozen - default) / (frozen - weekly):.0%}" if above[2] > 1 else ""
    days = f"{np.mean(answered):.0f} ({len(answered)}/{len(outcomes)})" if answered else ""
    texts = [*(f"{count:.1f}" for count in counts), days, f"{weekly:.4f}", *(f"{share:+.1f}%" for share in above), kept]
    return f"{world.name:<36}" + "".join(f"{text:>12}" for text in texts)


if __name__ == "__main__":
    main()
