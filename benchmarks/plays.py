"""What a pipeline's default policy does with a history, beside models that stay, weekly ones and an equal calendar."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from jobs.models.metrics import measure
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.kept import Kept
from jobs.replay.play import Play, play
from jobs.replay.policies import Declared, Fixed, spread
from tidewheel.partitions import PartitionRange

HEAD = "fits", "weekly fits", "alarms", "refused", "answered", "loss weekly", "default", "equal", "frozen", "kept"
NAME, COLUMN = 36, 12
"""Widths of the table."""


@dataclass(frozen=True)
class Outcome:
    """What came of one history.

    Attributes:
        fits: by the default policy, after the first model.
        weekly_fits: by a weekly calendar, after the first model.
        alarms: trainings that were called for because something was found wrong.
        refused: challengers that the gate did not let through.
        answered: days from a turn to the first training that an alarm called for; NaN: none.
        losses: of the default, the frozen and the weekly model, and of the calendar with equal fits.
    """

    fits: int
    weekly_fits: int
    alarms: int
    refused: int
    answered: float
    losses: tuple[float, ...]


def outcome(history: History, played: PartitionRange, seed: int, turn: date | None = None) -> Outcome:
    """Play a history with the policy that its pipeline declares.

    Args:
        history: reaches over the played days.
        played: first and last day.
        seed: of the models.
        turn: a day on which something happens at once.
    """
    pipeline, truth = history.pipeline, history.taken(history.days_of(played)).truth

    def loss(one: Play) -> float:
        return measure(truth, one.answers, pipeline.task)[pipeline.metric]

    with tempfile.TemporaryDirectory() as folder:
        fitter = Fitter(pipeline, seed, Kept(Path(folder)))
        default = play(history, Declared("spec", pipeline), played, fitter)
        calendars = [frozenset[date](), frozenset(played.days[6:-1:7]), spread(played, default.fits)]
        fixed = [play(history, Fixed("calendar", pipeline, chosen), played, fitter) for chosen in calendars]
    fired = [decision.day for decision in default.decisions if decision.fired and decision.alarms]
    after = [day for day in fired if turn and day >= turn]
    return Outcome(
        fits=default.fits - 1,
        weekly_fits=len(calendars[1]),
        alarms=len(fired),
        refused=default.rejections,
        answered=float((after[0] - turn).days) if turn and after else float("nan"),
        losses=(loss(default), *(loss(one) for one in fixed)),
    )


def head(of: str) -> str:
    """The table's first line."""
    return f"{of:<{NAME}}" + "".join(f"{name:>{COLUMN}}" for name in HEAD)


def line(name: str, outcomes: Sequence[Outcome]) -> str:
    """One line: means, losses above weekly's in percent of it, and the share of weekly's gain that was kept."""
    counts = np.mean([[one.fits, one.weekly_fits, one.alarms, one.refused] for one in outcomes], axis=0)
    answered = [one.answered for one in outcomes if not np.isnan(one.answered)]
    default, frozen, weekly, equal = np.mean([one.losses for one in outcomes], axis=0)
    above = [100 * (loss / weekly - 1) for loss in (default, equal, frozen)]
    kept = f"{(frozen - default) / (frozen - weekly):.0%}" if above[2] > 1 else ""
    days = f"{np.mean(answered):.0f} ({len(answered)}/{len(outcomes)})" if answered else ""
    texts = [*(f"{count:.1f}" for count in counts), days, f"{weekly:.4g}", *(f"{share:+.1f}%" for share in above), kept]
    return f"{name:<{NAME}}" + "".join(f"{text:>{COLUMN}}" for text in texts)
