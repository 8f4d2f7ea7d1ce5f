"""What a pipeline's default policy does with a history, beside models that stay, weekly ones and an equal calendar.

The calendar costs as much CPU time as the default, or a little more: what a fit of so many rows costs is estimated from
weekly's fits. Its trainings are spread evenly, learn from all days, and are promoted unseen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jobs.models.metrics import measure
from jobs.models.paired_losses import row_losses
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared, Fixed, spread
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tidewheel.partitions import PartitionRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = (
    *("trainings", "calendar's", "alarms", "back", "answered", "loss weekly", "default", "equal", "frozen", "kept"),
    "default less equal, 95%",
)
NAME, COLUMN = 36, 12
RESAMPLES = 2_000
"""Widths of the table."""


@dataclass(frozen=True)
class Outcome:
    """What came of one history.

    Attributes:
        trainings: by the default policy, after the first model.
        calendar: trainings of the calendar of equal cost, after the first model.
        alarms: trainings that were called for because something was found wrong.
        back: challengers that were refused, or sent back from probation.
        answered: days from a turn to the first training that an alarm called for; NaN: none.
        losses: of the default, the frozen and the weekly model, and of the calendar of equal cost.
        by_day: sums of the losses of the default and of that calendar, day by day; squared errors of a regression.
    """

    trainings: int
    calendar: int
    alarms: int
    back: int
    answered: float
    losses: tuple[float, ...]
    by_day: NDArray[np.float64]


def outcome(
    history: History, played: PartitionRange, seed: int, turn: date | None = None, beginnings: int = 1
) -> Outcome:
    """Play a history with the policy that its pipeline declares.

    Args:
        history: reaches over the played days.
        played: first and last day.
        seed: of the models.
        turn: a day on which something happens at once.
        beginnings: calendars of equal cost, each begun at another time; the mean of their losses is compared.
    """
    pipeline, rows = history.pipeline, history.taken(history.days_of(played))

    def loss(one: Simulation) -> float:
        return measure(rows.truth, one.answers, pipeline.task, loss=pipeline.loss)[pipeline.metric]

    def by_day(one: Simulation) -> NDArray[np.float64]:
        losses = row_losses(pipeline.metric, rows.truth, one.answers, pipeline.loss)
        return np.asarray(np.bincount(pd.factorize(rows.days)[0], losses), dtype=np.float64)

    with tempfile.TemporaryDirectory() as folder:
        fitter = Fitter(pipeline, seed, ResultCache(Path(folder)))
        default = simulate(history, Declared("spec", pipeline), played, fitter)
        turn_of_week = 7 // played.unit.days
        calendars = [frozenset[date](), frozenset(played.days[turn_of_week - 1 : -1 : turn_of_week])]
        frozen, weekly = (simulate(history, Fixed("calendar", pipeline, days), played, fitter) for days in calendars)
        days = equal_days(history, played, default, weekly)
        begun = [days] if beginnings == 1 else begun_apart(played, len(days), beginnings)
        equal = [simulate(history, Fixed("calendar", pipeline, each), played, fitter) for each in begun]
    fired = [decision.day for decision in default.decisions if decision.fired and decision.alarms]
    after = [day for day in fired if turn and day >= turn]
    return Outcome(
        trainings=len(default.trainings) - 1,
        calendar=len(days),
        alarms=len(fired),
        back=default.rejections + sum(decision.returned for decision in default.decisions),
        answered=float((after[0] - turn).days) if turn and after else float("nan"),
        losses=(*(loss(one) for one in (default, frozen, weekly)), float(np.mean([loss(one) for one in equal]))),
        by_day=np.array([by_day(default), np.mean([by_day(one) for one in equal], axis=0)]),
    )


def equal_days(history: History, played: PartitionRange, default: Simulation, weekly: Simulation) -> frozenset[date]:
    """The days of the smallest even calendar that costs as much CPU time as a play did.

    Other work on the machine lengthens CPU seconds too, and not of all plays alike. So what the default's fits cost is
    scaled by what fits of as many rows have cost weekly; where trials came before a fit, their rows are not known, and
    the seconds of both are scaled as those of the others.
    """
    rows, seconds = zip(*((one.rows, one.cpu_seconds) for one in weekly.trainings), strict=True)
    slope, fixed = np.polyfit(rows, seconds, 1)

    def estimated(count: int) -> float:
        return float(max(0.0, fixed + slope * count))

    trainings = default.trainings[1:]
    plain = [one for one in trainings if one.fits == 1]
    pace = sum(estimated(one.rows) for one in plain) / sum(one.cpu_seconds for one in plain) if plain else 1.0
    spent = pace * sum(one.cpu_seconds for one in trainings)
    for models in range(1, len(played.days)):
        days = spread(played, models)
        known = [sum(day.rows for day in history.on(day).matured()) for day in days]
        if sum(map(estimated, known)) >= spent:
            return days
    return frozenset(played.days[:-1])


def begun_apart(played: PartitionRange, trainings: int, count: int) -> list[frozenset[date]]:
    """Even calendars whose first training comes after half an interval to one and a half, a little later in each."""
    partitions = len(played.days)
    gap = partitions / (trainings + 1)
    calendars = []
    for number in range(count):
        turns = [round((0.5 + number / count + turn) * gap) for turn in range(trainings)]
        calendars.append(frozenset(played.unit.after(played.first, t - 1) for t in turns if 1 <= t < partitions))
    return calendars


def head(of: str) -> str:
    """The table's first line."""
    return f"{of:<{NAME}}" + "".join(f"{name:>{COLUMN}}" for name in HEAD)


def line(name: str, outcomes: Sequence[Outcome]) -> str:
    """One line: means, losses above weekly's in percent of it, and the share of weekly's gain that was kept."""
    counts = np.mean([[one.trainings, one.calendar, one.alarms, one.back] for one in outcomes], axis=0)
    answered = [one.answered for one in outcomes if not np.isnan(one.answered)]
    default, frozen, weekly, equal = np.mean([one.losses for one in outcomes], axis=0)
    above = [100 * (loss / weekly - 1) for loss in (default, equal, frozen)]
    kept = f"{(frozen - default) / (frozen - weekly):.0%}" if above[2] > 1 else ""
    days = f"{np.mean(answered):.0f} ({len(answered)}/{len(outcomes)})" if answered else ""
    texts = [*(f"{count:.1f}" for count in counts), days, f"{weekly:.4g}", *(f"{share:+.1f}%" for share in above), kept]
    texts.append(compared(outcomes))
    return f"{name:<{NAME}}" + "".join(f"{text:>{COLUMN}}" for text in texts)


def compared(outcomes: Sequence[Outcome]) -> str:
    """How much more the default loses than the calendar, in percent, with an interval from days drawn as blocks."""
    days = np.sum([one.by_day for one in outcomes], axis=0)
    drawn = np.random.default_rng(0).integers(0, days.shape[1], (RESAMPLES, days.shape[1]))
    ours, theirs = (sums[drawn].sum(axis=1) for sums in days)
    low, high = np.percentile(ours / theirs - 1, [2.5, 97.5])
    return f"   {days[0].sum() / days[1].sum() - 1:+.2%} ({low:+.2%} to {high:+.2%})"
