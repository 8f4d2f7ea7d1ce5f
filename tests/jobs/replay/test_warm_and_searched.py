"""A play goes on from its champion and searches for parameters, as the nights do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tests.jobs.replay.conftest import DECLARED
from tests.jobs.replay.test_simulation_on_probation import PLAYED
from tidewheel.spec import Pipeline

WARM = {
    "estimator": "xgboost",
    "parameters": {"n_estimators": 20, "max_depth": 2},
    "minimum_rows": 300,
    "warm_start": {"rounds": 5, "in_a_row": 2},
}
SEARCHED = {
    "estimator": "logistic_regression",
    "minimum_rows": 300,
    "search": {"trials": 2, "folds": 2, "validation_days": 2},
}


def played(make_history: Callable[..., History], training: dict[str, Any], folder: Path) -> Simulation:
    pipeline = Pipeline.model_validate({**DECLARED, "training": training, "gate": {"mode": "probation"}})
    history = make_history(pipeline)
    return simulate(history, Declared("spec", pipeline), PLAYED, Fitter(pipeline, 0, ResultCache(folder)))


def test_a_play_goes_on_from_its_champion_and_after_some_fits_from_nothing(
    make_history: Callable[..., History], tmp_path: Path
) -> None:
    found = played(make_history, WARM, tmp_path)
    began = [training.says.rpartition("; ")[2] for training in found.trainings]
    assert began[:4] == [
        "fitted from the start: there is no champion to go on from",
        "went on from version 1 by 5 rounds",
        "went on from version 2 by 5 rounds",
        "fitted from the start: version 3 ended 2 warm starts in a row (training.warm_start.in_a_row)",
    ]
    assert all(training.version for training in found.trainings)
    again = played(make_history, WARM, tmp_path)  # from what is stored
    assert again.answers == pytest.approx(found.answers, abs=0)
    assert again.cpu_seconds == found.cpu_seconds


def test_a_search_is_played_once_and_paid_for(make_history: Callable[..., History], tmp_path: Path) -> None:
    found = played(make_history, SEARCHED, tmp_path)
    plain = played(make_history, {**SEARCHED, "search": None}, tmp_path)
    assert found.trainings[0].fits == plain.trainings[0].fits == 1
    assert found.cpu_seconds > plain.cpu_seconds
    assert (found.answers != plain.answers).any()
    assert len(list((tmp_path / "searches").iterdir())) == len(found.trainings)
    again = played(make_history, SEARCHED, tmp_path)
    assert again.cpu_seconds == found.cpu_seconds
