"""Which days a challenger learns from when an alarm has called for it: all of them, or those since something changed.

Whether the days before a change still teach anything is tried out on the newest days: by a model of the days since, and
only where that does better than the champion, by one of all days too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

import numpy as np

from jobs.data.training_data import LabelledDay
from jobs.models.prediction import Array
from tidewheel.policies.trigger.quality import mean_over_days

NEWEST_SHARE = 3
"""One in so many of the days since the change, the newest, tells the candidates apart."""
LEAST_HELD = 3
"""Days that tell them apart at least: rows of one day have their luck in common. After a fall, one will do."""
LEAST_GAIN = 0.03
"""Share of the loss that a set of days must save."""
LEAST_Z, LEAST_SURETY = 3.0, 2.0
"""Standard errors by which it must do so: over rows, and over days where there are enough of them."""
M = TypeVar("M")


@dataclass(frozen=True)
class DaysTrial(Generic[M]):
    """What is needed to try days out.

    Attributes:
        fit: makes a model of some days.
        losses: of a model, for each row of some days, day by day.
        minimum_rows: fewer make no model.
    """

    fit: Callable[[Sequence[LabelledDay]], M]
    losses: Callable[[M, Sequence[LabelledDay]], Sequence[Array]]
    minimum_rows: int


@dataclass(frozen=True)
class Chosen(Generic[M]):
    """The days to learn from.

    Attributes:
        first: the first of them; None: all.
        fits: models that were fitted to find out.
        rows: that these have learned from, taken together.
        words: what was found out; empty where nothing was tried.
    """

    first: date | None
    fits: tuple[M, ...] = ()
    rows: int = 0
    words: str = ""

    def cost(self, learned: int, everything: int) -> int:
        """What a training has cost, in fits of all days: small trials hardly count, and no training is free.

        Args:
            learned: rows that the model learned from in the end.
            everything: rows of all days.
        """
        return max(1, round((learned + self.rows) / everything))


@dataclass(frozen=True)
class LearnedModel(Generic[M]):
    """The champion, and the days that it has learned from.

    Attributes:
        model: predicts.
        since: the first day, if it was not given all of them.
        until: the newest day.
    """

    model: M
    since: date | None
    until: date


def choose_days(
    trial: DaysTrial[M], days: Sequence[LabelledDay], champion: LearnedModel[M], changed: date | None, fallen: bool
) -> Chosen[M]:
    """Try out whether the days since a change teach more than all of them, or all more than those of the champion.

    Args:
        trial: fits and judges.
        days: all that may be learned from, oldest first.
        champion: to be bettered.
        changed: since when its loss is higher; None: no such day is known.
        fallen: whether something is so badly wrong that one day tells.
    """
    current = champion.since
    since = [day for day in days if changed and day.day >= changed]
    held = max(1 if fallen else LEAST_HELD, len(since) // NEWEST_SHARE)
    newest, before = days[-held:], days[:-held]
    recent = since[:-held]
    if newest[0].day <= champion.until:
        return Chosen(current)
    fits: list[M] = []
    rows = 0
    theirs, best, first = trial.losses(champion.model, newest), None, current
    if sum(day.rows for day in recent) >= trial.minimum_rows:
        fits.append(trial.fit(recent))
        rows += sum(day.rows for day in recent)
        ours = trial.losses(fits[-1], newest)
        if is_better(ours, theirs):
            best, first = ours, changed
    if best is None and current is None:
        return Chosen(current, tuple(fits), rows)
    fits.append(trial.fit(before))
    rows += sum(day.rows for day in before)
    everything = trial.losses(fits[-1], newest)
    if best is not None:
        if not is_better(best, everything):
            first = None
    elif is_better(everything, theirs):
        first = None
    words = f"learns from {f'the days since {first}' if first else 'all days'}, as tried out on the last {len(newest)}"
    return Chosen(first, tuple(fits), rows, words)


def is_better(ours: Sequence[Array], theirs: Sequence[Array]) -> bool:
    """Whether the first losses, day by day, lie clearly below the second."""
    days = [b - a for a, b in zip(ours, theirs, strict=True)]
    saved = np.concatenate(days)
    error = float(saved.std()) / math.sqrt(len(saved))
    mean, theirs_mean = float(saved.mean()), abs(float(np.concatenate(theirs).mean()))
    if mean < LEAST_GAIN * theirs_mean or mean < LEAST_Z * error:
        return False
    if len(days) < LEAST_HELD:
        return True
    return mean_over_days([float(day.mean()) for day in days], [len(day) for day in days]).surety >= LEAST_SURETY
