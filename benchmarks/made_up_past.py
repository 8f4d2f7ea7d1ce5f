"""The past of a made-up pipeline: its days, its versions, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

COLUMNS = ("amount", "basket_size", "days_since_order", "discount", "hour", "items", "weight_kg", "channel", "region")
SLICES = ("channel=web", "channel=app", "channel=shop", "region=north", "region=south", "region=coast")


@dataclass(frozen=True)
class MadeUp:
    """A pipeline's past, and what ails it on its newest day.

    Attributes:
        name: of the pipeline.
        newest: its newest monitored day.
        days: how many there are.
        trained_every: days between trainings.
        columns: whose drift is measured.
        slices: of the rows, `column=value`.
        falling: whether the newest version loses ever more than it expected.
        drifting: whether two columns have left their past in the last ten days.
        waiting: whether the newest version waits for an approval.
        rolled_back: whether its release was taken back.
        probation: whether promoted versions were put on probation; the newest one still is.
        seed: of the random numbers.
    """

    name: str
    newest: date
    days: int = 200
    trained_every: int = 21
    columns: Sequence[str] = COLUMNS
    slices: Sequence[str] = SLICES
    falling: bool = False
    drifting: bool = False
    waiting: bool = False
    rolled_back: bool = False
    probation: bool = False
    seed: int = 1


@dataclass(frozen=True)
class Version:
    """A model, the day it was trained as of, and whether the gate passed it."""

    number: str
    day: date
    passed: bool = True


def versions_of(story: MadeUp) -> list[Version]:
    """Oldest first; the gate turned every fourth of them down, but neither the first nor the last."""
    ages = range(9, story.days, story.trained_every)
    days = [story.newest - timedelta(days=age) for age in reversed(ages)]
    return [Version(str(n), day, passed=n % 4 != 3 or n in (1, len(days))) for n, day in enumerate(days, start=1)]


def promoted_of(story: MadeUp) -> list[Version]:
    """Those that became champion."""
    passed = [version for version in versions_of(story) if version.passed]
    return passed[:-1] if story.waiting else passed


def answering_of(story: MadeUp) -> list[Version]:
    """Those that a release put behind the endpoint."""
    promoted = promoted_of(story)
    return promoted[:-1] if story.rolled_back else promoted


def night_of(day: date, hour: float) -> datetime:
    """A time of the night that works on a day."""
    return datetime.combine(day + timedelta(days=1), time(), UTC) + timedelta(hours=hour)


def run_of(day: date) -> str:
    """Airflow's id of the run that works on a day."""
    return f"scheduled__{day + timedelta(days=1)}T03:00:00+00:00"


def colour_of(version: Version) -> str:
    """The colour a version answers in."""
    return "blue" if int(version.number) % 2 else "green"
