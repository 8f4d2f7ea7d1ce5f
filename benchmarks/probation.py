"""How often probation sends back a version that is as good as its predecessor, and how soon one that is bad.

    python -m benchmarks.probation [--years 300] [--rows 900]

A year is 17 probations, one in three weeks, each of at most 14 nights and looked at every night. Labels are drawn from
known probabilities. The worlds are those of `benchmarks.gate_simulated`: rows that have nothing in common; days whose
rows are late or early together, which neither model foresees; days that favour one model or the other; models that err
by whole days, some by much; and one where a version is a little better on most days and much worse on few of them, so
that it is as good on average. Bad versions have learned from labels of which 15% were flipped, or lack one of the
features. Before the promotion, 42 days of the same pair tell how their days differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.drift import interval
from tidewheel.policies.probation import PairedDay, ProbationMeasurement, ProbationPolicy
from tidewheel.policies.verdict import Outcome

Array = NDArray[np.float64]
MEAN, SPREAD, ROW_ERROR = -1.3, 0.9, 0.25
"""Log-odds of a row (a quarter of the labels are positive), and what a model adds by mistake."""
USUAL_DAYS, NIGHTS, PROBATIONS = 42, 14, 17
FLIPPED = 0.15
BEGIN = date(2024, 1, 1)
POLICY = ProbationPolicy()


@dataclass(frozen=True)
class World:
    """What makes days differ.

    Attributes:
        name: for the table.
        day_luck: of the log-odds of all rows of a day, which neither model foresees.
        day_error: of each model's log-odds of all rows of a day.
        spread: of the log-odds of rows, what the features tell.
        favour: draws, of so many days, the share of the loss by which a day favours the predecessor; of mean 0.
    """

    name: str
    day_luck: float = 0.0
    day_error: float = 0.0
    spread: float = SPREAD
    favour: Callable[[np.random.Generator, int], Array] = lambda rng, days: np.zeros(days)


def _rare(rng: np.random.Generator, days: int) -> Array:
    """One day in ten is worse by 30%, so that the others are better by 3.3%."""
    return np.where(rng.random(days) < 0.1, 0.3, -0.3 / 9)


WORLDS = (
    World("rows have nothing in common"),
    World("the same, features tell twice as much", spread=2 * SPREAD),
    World("days are late or early together", day_luck=0.5),
    World("days favour one model, by 4% of the loss", favour=lambda rng, days: 0.04 * rng.normal(size=days)),
    World("models err by whole days", day_luck=0.5, day_error=0.2),
    World("better on nine days, much worse on the tenth", favour=_rare),
)


def _equal(rng: np.random.Generator, known: Array, lacking: Array) -> Array:
    return known + lacking + ROW_ERROR * rng.normal(size=known.shape)


def _flipped(rng: np.random.Generator, known: Array, lacking: Array) -> Array:
    said = FLIPPED + (1 - 2 * FLIPPED) * expit(_equal(rng, known, lacking))
    return np.log(said / (1 - said))  # type: ignore[no-any-return]


def _blind(rng: np.random.Generator, known: Array, lacking: Array) -> Array:
    return known + ROW_ERROR * rng.normal(size=known.shape)


VERSIONS = {"as good": _equal, "15% of its labels flipped": _flipped, "a feature broken": _blind}


def main() -> None:
    """Print one line a world and version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=300)
    parser.add_argument("--rows", type=int, default=900, help="of each day")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for world in WORLDS:
        for words in VERSIONS:
            rng = np.random.default_rng([options.seed, options.rows])
            count = options.years * PROBATIONS if words == "as good" else options.years
            ended = [probation(world, words, options.rows, rng) for _ in range(count)]
            worse = np.mean([days.loss / days.predecessor_loss - 1 for one in ended for days in one.days])
            back = np.array([one.sent_back for one in ended])
            if words == "as good":
                by_year = (back.reshape(options.years, PROBATIONS) > 0).any(axis=1)
                kept = interval(int((back == 0).sum()), count)
                print(
                    f"{world.name}; {words}: sent back in a year {interval(int(by_year.sum()), options.years)}", end=""
                )
                print(f"; ends promoted {kept}; after {np.mean([len(one.days) for one in ended]):.1f} days", flush=True)
                continue
            soon = interval(int(((back > 0) & (back <= 2)).sum()), count)
            print(f"{world.name}; {words} ({worse:+.1%}): sent back by the second night {soon}", end="")
            print(f", ever {interval(int((back > 0).sum()), count)}", flush=True)


@dataclass(frozen=True)
class Ended:
    """One probation: its days, and the night it was sent back after; 0: it was not."""

    days: tuple[PairedDay, ...]
    sent_back: int


def probation(world: World, words: str, rows: int, rng: np.random.Generator) -> Ended:
    """Draw a pair of models and their days, and look at them every night."""
    days = drawn(world, words, rows, rng)
    usual, since = days[:USUAL_DAYS], days[USUAL_DAYS:]
    for night in range(1, NIGHTS + 1):
        found = POLICY.decide(ProbationMeasurement("2", "1", since[:night], usual, night))
        if found.outcome is not Outcome.NO_ACTION:
            return Ended(since[:night], night if found.outcome is Outcome.ROLLED_BACK else 0)
    return Ended(since, 0)


def drawn(world: World, words: str, rows: int, rng: np.random.Generator) -> tuple[PairedDay, ...]:
    """Days before the promotion and since."""
    shape = USUAL_DAYS + NIGHTS, rows
    known, lacking = (world.spread * np.sqrt([0.75, 0.25])[:, None, None]) * rng.normal(size=(2, *shape)) + np.array(
        [MEAN, 0.0]
    )[:, None, None]
    truth = rng.random(shape) < expit(known + lacking + world.day_luck * rng.normal(size=(shape[0], 1)))
    losses = []
    for make in (VERSIONS[words], _equal):
        log_odds = make(rng, known, lacking) + world.day_error * rng.normal(size=(shape[0], 1))
        losses.append(np.logaddexp(0, np.where(truth, -log_odds, log_odds)))
    difference = losses[0] - losses[1]
    error = difference.std(axis=1) / np.sqrt(rows)
    theirs = losses[1].mean(axis=1)
    ours = losses[0].mean(axis=1) + world.favour(rng, shape[0]) * theirs
    return tuple(
        PairedDay(BEGIN + timedelta(days=n), rows, float(ours[n]), float(theirs[n]), float(error[n]))
        for n in range(shape[0])
    )


if __name__ == "__main__":
    main()
