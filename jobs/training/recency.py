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

from jobs.data.training_data import LabelledDay
from jobs.models.prediction import Array

NEWEST_SHARE = 3
"""One in so many of the days since the change, the newest, tells the candidates apart."""
LEAST_Z = 3.0
"""Standard errors, over rows, by which one set of days must do better than another."""
M = TypeVar("M")


@dataclass(frozen=True)
class Trial(Generic[M]):
    """What is needed to try days out.

    Attributes:
        fit: makes a model of some days.
        losses: of a model, for each row of some days.
        minimum_rows: fewer make no model.
    """

    fit: Callable[[Sequence[LabelledDay]], M]
    losses: Callable[[M, Sequence[LabelledDay]], Array]
    minimum_rows: int


@dataclass(frozen=True)
class Chosen(Generic[M]):
    """The days to learn from.

    Attributes:
        first: the first of them; None: all.
        fits: models that were fitted to find out.
        words: what was found out; empty where nothing was tried.
    """

    first: date | None
    fits: tuple[M, ...] = ()
    words: str = ""


def choose_days(
    trial: Trial[M],
    days: Sequence[LabelledDay],
    changed: date | None,
    current: date | None,
    champion: M,
    learned_until: date,
) -> Chosen[M]:
    """Try out whether the days since a change teach more than all of them, or all more than those of the champion.

    Args:
        trial: fits and judges.
        days: all that may be learned from, oldest first.
        changed: since when the champion's loss is higher; None: no such day is known.
        current: the first day that the champion has learned from, if it was not given all of them.
        champion: its model.
        learned_until: the newest day it has learned from.
    """
    since = [day for day in days if changed and day.day >= changed]
    held = max(1, len(since) // NEWEST_SHARE)
    newest, before = days[-held:], days[:-held]
    recent = since[:-held]
    if newest[0].day <= learned_until:
        return Chosen(current)
    fits: list[M] = []
    theirs, best, first = trial.losses(champion, newest), None, current
    if sum(day.rows for day in recent) >= trial.minimum_rows:
        fits.append(trial.fit(recent))
        ours = trial.losses(fits[-1], newest)
        if better_by(ours, theirs) >= LEAST_Z:
            best, first = ours, changed
    if best is None and current is None:
        return Chosen(current, tuple(fits))
    fits.append(trial.fit(before))
    everything = trial.losses(fits[-1], newest)
    if best is not None:
        if better_by(best, everything) < 0:
            first = None
    elif better_by(everything, theirs) >= LEAST_Z:
        first = None
    words = f"learns from {f'the days since {first}' if first else 'all days'}, as tried out on the last {len(newest)}"
    return Chosen(first, tuple(fits), words)


def better_by(ours: Array, theirs: Array) -> float:
    """How many standard errors, over rows, the first losses lie below the second."""
    saved = theirs - ours
    error = float(saved.std()) / math.sqrt(len(saved))
    return float(saved.mean()) / error if error > 0 else 0.0
