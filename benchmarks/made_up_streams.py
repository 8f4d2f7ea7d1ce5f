"""Streams of made-up rows whose world stays, turns, drifts or misbehaves in a known way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from jobs.data.training_data import PARTITION, LabelledDay
from jobs.replay.history import History
from tidewheel.runs import BatchReference
from tidewheel.spec import Pipeline

BEGIN = date(2024, 1, 1)
FIRST_PLAYED, TURN, DAYS = 30, 90, 180
"""Days are counted from 0: the first model is trained before day 30, and what happens at once happens on day 90."""
NUMERIC, CATEGORY = ("a", "b", "c"), "kind"
Effects = tuple[float, float, float]
STEADY: Effects = (1.5, -1.0, 0.5)


def _turned(angle: float) -> Effects:
    """The steady effects, those of the first two columns turned by an angle in degrees."""
    a, b, c = STEADY
    sin, cos = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    return (a * cos - b * sin, a * sin + b * cos, c)


@dataclass(frozen=True)
class World:
    """How the rows of a stream come about. Functions are of a day's number.

    Attributes:
        name: what happens, for the table.
        effects: of the numeric columns on the label.
        level: of the label, beside the effects.
        centre: of column a.
        rows: a day.
        restless: standard deviation of what moves a whole day's labels, in units of the effects.
        spoilt: whether column b is zero because its source is broken.
        regression: a number is predicted, with noise of standard deviation 1.
        delay_days: until a label is known.
        sudden: whether something happens on day 90 that a policy should answer.
    """

    name: str
    effects: Callable[[int], Effects] = lambda day: STEADY
    level: Callable[[int], float] = lambda day: -1.0
    centre: Callable[[int], float] = lambda day: 0.0
    rows: int = 900
    restless: float = 0.15
    spoilt: Callable[[int], bool] = lambda day: False
    regression: bool = False
    delay_days: int = 1
    sudden: bool = False


def _since(day: int, first: int = TURN) -> float:
    """How much of the time after a day has passed, 0 to 1."""
    return max(0.0, (day - first) / (DAYS - first))


WORLDS = (
    World("never changes"),
    World("never changes, 60 rows a day", rows=60),
    World("never changes, 2% positive", level=lambda day: -5.5),
    World("never changes, restless days", restless=0.8),
    World("columns move, the relation stays", centre=lambda day: 2 * _since(day, FIRST_PLAYED)),
    World("a broken column for ten days", spoilt=lambda day: TURN <= day < TURN + 10, sudden=True),
    World("level swings with the season", level=lambda day: -1 + np.sin(2 * np.pi * day / 120)),
    World("weakens on day 90", effects=lambda day: STEADY if day < TURN else (1.0, -1.0, 0.5), sudden=True),
    World("turns on day 90", effects=lambda day: STEADY if day < TURN else (-1.5, -1.0, 0.5), sudden=True),
    World(
        "turns on day 90, 60 rows a day",
        effects=lambda day: STEADY if day < TURN else (-1.5, -1.0, 0.5),
        rows=60,
        sudden=True,
    ),
    World(
        "turns for 30 days, and back", effects=lambda day: _turned(120 if TURN <= day < TURN + 30 else 0), sudden=True
    ),
    World("turns slowly", effects=lambda day: _turned(120 * _since(day, FIRST_PLAYED))),
    World("turns slowly, labels after 14 days", effects=lambda day: _turned(120 * _since(day, 30)), delay_days=14),
    World("turns slowly, a number", effects=lambda day: _turned(120 * _since(day, FIRST_PLAYED)), regression=True),
)


def pipeline_of(world: World) -> Pipeline:
    """A pipeline file without a word about training, triggers or gate."""
    return Pipeline.model_validate(
        {
            "name": "stream",
            "description": "Made-up rows, to see when a policy trains",
            "owner": {"team": "benchmarks"},
            "task": "regression" if world.regression else "classification",
            "source": {
                "reader": {"kind": "parquet", "path": "unused/{partition}"},
                "event_time": "at",
                "entity_key": ["row"],
            },
            "labels": {
                "reader": {"kind": "parquet", "path": "unused/{partition}"},
                "column": "label",
                "delay_days": world.delay_days,
            },
            "features": {"transform": "unused:unused", "numeric": list(NUMERIC), "categorical": [CATEGORY]},
        }
    )


def stream(world: World, seed: int) -> History:
    """A world's days."""
    frames, days = [], []
    for number in range(DAYS):
        day = BEGIN + timedelta(days=number)
        frame = _rows(world, number, np.random.default_rng([seed, number]))
        frame.insert(0, PARTITION, str(day))
        frames.append(frame)
        content = hashlib.sha256(f"{world.name} {seed} {day}".encode()).hexdigest()
        features, labels = (
            BatchReference(dataset=dataset, partition=str(day), content_hash=content, rows=world.rows)
            for dataset in ("features", "labels")
        )
        days.append(LabelledDay(day=day, features=features, labels=labels))
    return History.of(pipeline_of(world), days, pd.concat(frames, ignore_index=True))


def _rows(world: World, day: int, rng: np.random.Generator) -> pd.DataFrame:
    columns = {name: rng.normal(size=world.rows) for name in NUMERIC}
    columns["a"] = columns["a"] + world.centre(day)
    effect = sum(e * column for e, column in zip(world.effects(day), columns.values(), strict=True))
    score = effect + world.level(day) + rng.normal(scale=world.restless)
    label = (
        score + rng.normal(size=world.rows) if world.regression else rng.random(world.rows) < 1 / (1 + np.exp(-score))
    )
    if world.spoilt(day):
        columns["b"] = np.zeros(world.rows)
    kind = rng.choice(["x", "y"], world.rows)
    return pd.DataFrame({**columns, CATEGORY: kind, "label": np.asarray(label, dtype="float64")})
