"""Warm starts against fits from nothing: CPU seconds and loss of the default policy on made-up worlds.

    python -m benchmarks.warm_starts [--seeds N] [--world PART-OF-ITS-NAME]

The pipelines of `benchmarks.streams` with XGBoost of 200 rounds are played from nothing, and with a warm start of 50
rounds, three in a row, as `training.warm_start` declares it. One thread each.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import threadpoolctl

from benchmarks.made_up_streams import WORLDS, stream
from benchmarks.streams import PLAYED
from jobs.models.metrics import measure
from jobs.models.paired_losses import row_losses
from jobs.replay.fits import Fitter
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate

if TYPE_CHECKING:
    from jobs.replay.history import History

ROUNDS, MORE, IN_A_ROW = 200, 50, 3
RESAMPLES = 2_000


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="streams of each world")
    parser.add_argument("--world", default="", help="only the worlds whose name has this in it")
    options = parser.parse_args()
    threadpoolctl.threadpool_limits(1)
    print(f"{'world':<36}{'trainings':>12}{'warm':>8}{'CPU s':>14}{'loss':>20}   warm less cold, 95%")
    for world in (world for world in WORLDS if options.world in world.name):
        for seed in range(options.seeds):
            history = stream(world, seed)
            print(f"{world.name:<36}{compared(history, seed)}", flush=True)


def compared(history: History, seed: int) -> str:
    """One line: trainings, CPU seconds and loss from nothing and warm, and the difference of the losses."""
    cold, warm = (played(history, seed, warm_start) for warm_start in (None, {"rounds": MORE, "in_a_row": IN_A_ROW}))
    pipeline, rows = history.pipeline, history.taken(history.days_of(PLAYED))
    losses = [measure(rows.truth, one.answers, pipeline.task)[pipeline.metric] for one in (cold, warm)]
    by_day = np.array(
        [
            np.bincount(pd.factorize(rows.days)[0], row_losses(pipeline.metric, rows.truth, one.answers))
            for one in (cold, warm)
        ]
    )
    drawn = np.random.default_rng(0).integers(0, by_day.shape[1], (RESAMPLES, by_day.shape[1]))
    low, high = np.percentile(by_day[1][drawn].sum(axis=1) / by_day[0][drawn].sum(axis=1) - 1, [2.5, 97.5])
    went_on = sum("went on from" in training.says for training in warm.trainings)
    trainings = f"{len(cold.trainings) - 1} / {len(warm.trainings) - 1}"
    seconds = f"{cold.cpu_seconds:.1f} / {warm.cpu_seconds:.1f}"
    return (
        f"{trainings:>12}{went_on:>8}{seconds:>14}{f'{losses[0]:.4f} / {losses[1]:.4f}':>20}"
        f"   {by_day[1].sum() / by_day[0].sum() - 1:+.2%} ({low:+.2%} to {high:+.2%})"
    )


def played(history: History, seed: int, warm_start: dict[str, int] | None) -> Simulation:
    """Play a world's pipeline with XGBoost."""
    training = {"estimator": "xgboost", "parameters": {"n_estimators": ROUNDS, "learning_rate": 0.05, "max_depth": 4}}
    declared = history.pipeline.model_dump(mode="json")
    declared["training"] = training | ({"warm_start": warm_start} if warm_start else {})
    pipeline = type(history.pipeline).model_validate(declared)
    with tempfile.TemporaryDirectory() as folder:
        fitter = Fitter(pipeline, seed, ResultCache(Path(folder)))
        return simulate(history, Declared("spec", pipeline), PLAYED, fitter)


if __name__ == "__main__":
    main()
