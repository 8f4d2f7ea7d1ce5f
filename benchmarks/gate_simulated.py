"""How often the gate passes a challenger of which the truth is known: equally good, or worse by exactly the margin.

    python -m benchmarks.gate_simulated [--seeds 3] [--comparisons 200] [--days 7] [--rows 900]

Labels are drawn from known probabilities, and the margin holds for the losses that are *expected* over all days that
could be drawn, not for those of the days that were: their luck is what the gate must see through. Four worlds: rows
that have nothing in common; days on which all rows are late or early together, which neither model foresees; days that
favour one model or the other by a normal amount, as much as the days of the flights do; and models that err by whole
days, most days by little and some by much. The gate is the default of a pipeline file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from benchmarks.drift import interval
from jobs.evaluation.comparison import PairedRows, loss_difference
from jobs.models.metrics import measure
from jobs.models.prediction import Array
from tidewheel.policies.gate.measurement import Comparison, GateMeasurement
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Outcome

MANY_DAYS, ROWS_OF_MANY = 4_000, 300
MEAN, SPREAD = -1.3, 0.9
"""Log-odds of a row: a quarter of the labels are positive."""
ROW_ERROR = 0.25
DAY_FAVOUR = 0.04
"""Standard deviation of a day's difference between two equal models, as a share of the loss: flights before March."""


@dataclass(frozen=True)
class Drawn:
    """Some days of rows: labels, and what both models say."""

    truth: Array
    champion: Array
    challenger: Array


@dataclass(frozen=True)
class World:
    """Where rows come from.

    Attributes:
        name: what is particular about it.
        metric: what is compared.
        draw: rows of so many days of so many rows, for a share by which the challenger is worse.
    """

    name: str
    metric: str
    draw: Callable[[np.random.Generator, int, int, float], Drawn]


def main() -> None:
    """Print one line a world and challenger."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--comparisons", type=int, default=200, help="of each kind, for each seed")
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--rows", type=int, default=900, help="of each day")
    options = parser.parse_args()
    for world in worlds():
        gate = GatePolicy(world.metric, lower_is_better=True)
        for words, worse in (("equally good", 0.0), (f"worse by {gate.margin:.0%}", gate.margin)):
            by_seed = [
                sum(passes(world, gate, worse, options.days, options.rows, seed) for seed in of_seed)
                for of_seed in np.arange(options.seeds * options.comparisons).reshape(options.seeds, -1)
            ]
            shares = ", ".join(f"{count / options.comparisons:.1%}" for count in by_seed)
            found = interval(sum(by_seed), options.seeds * options.comparisons)
            print(f"{world.name}; {words}: passed {found}; by seed {shares}", flush=True)


def worlds() -> list[World]:
    """The four of them."""
    return [
        World("rows have nothing in common", "log_loss", classified(0.0, 0.0)),
        World("days are late or early together", "log_loss", classified(0.5, 0.0)),
        World("days favour one model", "mae", favoured),
        World("models err by whole days", "log_loss", classified(0.5, 0.2)),
    ]


def classified(day_luck: float, day_error: float) -> Callable[[np.random.Generator, int, int, float], Drawn]:
    """Labels of known probability.

    Args:
        day_luck: of the log-odds of all rows of a day, which neither model foresees.
        day_error: of each model's log-odds of all rows of a day.
    """

    def log_odds(rng: np.random.Generator, days: int, rows: int) -> tuple[Array, Array, Array]:
        known = MEAN + SPREAD * rng.normal(size=(days, rows))
        champion, challenger = (
            ROW_ERROR * rng.normal(size=(days, rows)) + day_error * rng.normal(size=(days, 1)) for _ in range(2)
        )
        return known, champion, challenger

    @cache
    def erring(worse: float) -> float:
        """How many times the champion's error makes a model worse by this share, over very many days."""
        rng = np.random.default_rng(0)
        known, champion, challenger = log_odds(rng, MANY_DAYS, ROWS_OF_MANY)
        chance = expit(known + day_luck * rng.normal(size=(MANY_DAYS, 1)))

        def expected(said: Array) -> float:
            return float(-(chance * np.log(said) + (1 - chance) * np.log1p(-said)).mean())

        theirs = expected(expit(known + champion))
        return float(brentq(lambda times: expected(expit(known + times * challenger)) / theirs - 1 - worse, 0.5, 6))

    def draw(rng: np.random.Generator, days: int, rows: int, worse: float) -> Drawn:
        known, champion, challenger = log_odds(rng, days, rows)
        truth = rng.random((days, rows)) < expit(known + day_luck * rng.normal(size=(days, 1)))
        said = (expit(known + error).ravel() for error in (champion, challenger * (erring(worse) if worse else 1.0)))
        return Drawn(truth.astype(float).ravel(), *said)

    return draw


def favoured(rng: np.random.Generator, days: int, rows: int, worse: float) -> Drawn:
    """Errors of one unit; the challenger's are larger by the share, and by each day's normal luck."""
    champion = rng.exponential(size=(days, rows))
    excess = worse + DAY_FAVOUR * rng.normal(size=(days, 1))
    return Drawn(np.zeros(days * rows), champion.ravel(), (champion * (1 + excess)).ravel())


def passes(world: World, gate: GatePolicy, worse: float, days: int, rows: int, seed: int) -> bool:
    """Whether the gate passes one challenger on one draw of days."""
    drawn = world.draw(np.random.default_rng(seed), days, rows, worse)
    names = pd.Series(np.repeat([f"day {n}" for n in range(days)], rows))
    difference, bound = loss_difference(
        PairedRows(world.metric, drawn.truth, drawn.challenger, drawn.champion, names),
        confidence=gate.confidence,
        seed=0,
    )
    task = "classification" if world.metric == "log_loss" else "regression"
    ours, theirs = (measure(drawn.truth, said, task) for said in (drawn.challenger, drawn.champion))
    measured = GateMeasurement("2", ours, len(drawn.truth), days, Comparison("1", theirs, difference, bound))
    return gate.decide(measured).outcome is Outcome.PASSED


if __name__ == "__main__":
    main()
