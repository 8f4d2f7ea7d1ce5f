"""A play measures drift where a trigger asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.monitoring.drift import DayDrift
from jobs.replay import drifting
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    import pytest

MOVED = FIRST + timedelta(days=30)
PLAYED = PartitionRange(FIRST + timedelta(days=24), FIRST + timedelta(days=38))


def played(make_history: Callable[..., History], drift: dict[str, Any] | None, folder: Path) -> Simulation:
    triggers = {"every_days": None, "cool_down_days": 3, "budget": None, "drift": drift, "data": None}
    quiet = {"maximum_age_days": None, "performance": None, "concept_drift": None}
    settings = {"drift": {"history_days": 7, "reference_days": 7, "checks": 2, "confirmations": 2}}
    declared = {**DECLARED, "triggers": {**triggers, **quiet}, "monitoring": settings, "gate": {"mode": "probation"}}
    pipeline = Pipeline.model_validate(declared)
    history = make_history(pipeline)
    frame = history.rows.frame.copy()
    frame.loc[(history.rows.days >= str(MOVED)).to_numpy(), "weight"] += 4.0
    moved = replace(history, rows=replace(history.rows, frame=frame))
    return simulate(moved, Declared("spec", pipeline), PLAYED, Fitter(pipeline, 0, ResultCache(folder)))


def fired(found: Simulation) -> list[date]:
    return [decision.day for decision in found.decisions if "drift" in decision.alarms]


def test_a_column_that_moves_calls_for_a_training_of_a_play_that_has_the_trigger(
    make_history: Callable[..., History], tmp_path: Path
) -> None:
    found = played(make_history, {"minimum_weight": 0.3}, tmp_path)
    assert fired(found)[0] == MOVED + timedelta(days=1)  # confirmed on the second day
    assert "features with" in found.trainings[1].why
    assert "(weight)" in found.trainings[1].why
    without = played(make_history, None, tmp_path)
    assert fired(without) == []
    assert len(without.trainings) == 1
    assert not np.array_equal(found.answers, without.answers)


def test_a_weekly_play_compares_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    monday = FIRST - timedelta(days=FIRST.weekday())
    weeks = [monday + timedelta(weeks=number) for number in range(60)]
    pipeline = Pipeline.model_validate({**DECLARED, "partition": "week", "schedule": "0 3 * * 1"})
    known: Any = SimpleNamespace(
        as_of=weeks[-1],
        history=SimpleNamespace(spans=dict.fromkeys(weeks)),
        frame=lambda day: pd.DataFrame({"weight": [1.0]}),
    )
    compared: list[str] = []

    def compare_days(pipeline: Pipeline, rows: dict[str, pd.DataFrame], *others: object) -> DayDrift:
        compared.extend(rows)
        return DayDrift(missing="not looked at")

    monkeypatch.setattr(drifting, "compare_days", compare_days)
    assert drifting.played_drift(known, pipeline, {}, {}) is None
    drift = pipeline.monitoring.drift
    reached = drift.history_days + drift.checks + drift.reference_days
    assert compared[-1] == str(weeks[-1])
    assert len(compared) >= reached - 1, "a week each, none skipped"
