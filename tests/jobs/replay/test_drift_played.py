"""A play measures drift where a trigger asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

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
