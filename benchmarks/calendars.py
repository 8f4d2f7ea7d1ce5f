"""What calendars keep of weekly training's gain on the flights, with nothing held out, and with the newest week.

    python -m benchmarks.calendars [--home FOLDER] [--seeds N]

One model is fitted for each week of March to December, to all days before it. A calendar of every n weeks is put
together from them for each of the n weeks it can begin in, so that no single lucky one speaks for all. FOLDER is that
of `benchmarks.replay`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay import JUDGED, make_features, open_lake
from jobs.models.prediction import predict
from jobs.replay.history import History
from jobs.training.fitting import FitRows, fit
from tidewheel.lake import Lake
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

Losses = NDArray[np.float64]
WEEK = 7
INTERVALS = (1, 2, 3, 4, 5, 6)
"""Weeks between two models of a calendar."""


def main() -> None:
    """Fit, put together, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder of the flights' lake, kept")
    parser.add_argument("--seeds", type=int, default=3, help="of the models")
    options = parser.parse_args()
    lake = open_lake(options.home)
    make_features(lake)
    pipeline = find_pipeline(load_settings().pipelines_folder, lake.pipeline)
    losses = [weekly_losses(lake, pipeline, seed) for seed in range(options.seeds)]
    print(f"{'every':>10}{'models':>8}   {'nothing held out':<28}newest week held out (mean, smallest and largest)")
    for weeks in INTERVALS:
        kept = [[gains(table, weeks, held) for table in losses] for held in (0, 1)]
        told = [f"{np.mean(k):.0%} ({np.min(k):.0%} to {np.max(k):.0%})" for k in kept]
        print(f"{weeks:>4} week{'s' if weeks > 1 else ' '} {models(losses[0], weeks):>7.1f}   {told[0]:<28}{told[1]}")


def weekly_losses(lake: Lake, pipeline: Pipeline, seed: int) -> Losses:
    """Sum of the log-loss by model and week.

    Returns:
        (weeks + 1) x weeks: row 0 is the model before the newest week was known, row n + 1 the one before week n; NaN
        in the weeks before a model.
    """
    history = History.read(lake, pipeline, JUDGED)
    before = [JUDGED.first + timedelta(days=WEEK * n - 1) for n in range(-1, len(JUDGED.days) // WEEK + 1)]
    training = pipeline.training.model_copy(update={"seed": seed})
    one = partial(_losses_of_model, history, pipeline.model_copy(update={"training": training}))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("fork")) as processes:
        return np.array(list(processes.map(one, [day for day in before if day < JUDGED.last])))


def _losses_of_model(history: History, pipeline: Pipeline, as_of: date) -> Losses:
    learned = history.on(as_of).matured()
    rows = history.taken([day.day for day in learned])
    model = fit(pipeline.training, pipeline.features, pipeline.task, FitRows(rows.frame, rows.truth)).model
    weeks = -(-len(JUDGED.days) // WEEK)
    losses = np.full(weeks, np.nan)
    for week in range(max(0, ((as_of - JUDGED.first).days + 1) // WEEK), weeks):
        asked = history.taken(JUDGED.days[WEEK * week : WEEK * (week + 1)])
        said = predict(model, asked.frame, pipeline.task)
        losses[week] = -np.log(np.where(asked.truth == 1, said, 1 - said)).sum()
    return losses


def gains(losses: Losses, weeks: int, held: int) -> list[float]:
    """Shares of weekly's gain that the calendars of an interval keep, one for each week it can begin in."""

    def loss(made: list[int], held: int) -> float:
        newest = [max(m for m in made if m <= week) for week in range(losses.shape[1])]
        return float(sum(losses[max(m - held, -1) + 1, week] for week, m in enumerate(newest)))

    frozen, weekly = loss([0], 0), loss(list(range(losses.shape[1])), 0)
    plans = [[0, *range(first, losses.shape[1], weeks)] for first in range(1, weeks + 1)]
    return [(frozen - loss(plan, held)) / (frozen - weekly) for plan in plans]


def models(losses: Losses, weeks: int) -> float:
    """Models of a calendar, the first counted, on average over the weeks it can begin in."""
    return float(np.mean([1 + len(range(first, losses.shape[1], weeks)) for first in range(1, weeks + 1)]))


if __name__ == "__main__":
    main()
