"""A policy whose models do not depend on the seed is played once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from jobs.replay.history import History
from jobs.replay.seeds import seeds_of
from jobs.replay.workers import ReplayScope
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

PLAYED = PartitionRange(FIRST + timedelta(days=15), FIRST + timedelta(days=39))


def seeds(training: dict[str, object], make_history: Callable[..., History], folder: Path) -> dict[str, list[int]]:
    declared = {"minimum_rows": 300, "holdout_days": 3, **training}
    pipeline = Pipeline.model_validate({**DECLARED, "training": declared})
    scope = ReplayScope(Settings(home=folder), pipeline, PLAYED, folder)
    return seeds_of(scope, make_history(pipeline), ["spec", "frozen"], [0, 1, 2])


def test_a_model_without_chance_is_played_once(make_history: Callable[..., History], tmp_path: Path) -> None:
    assert seeds({"estimator": "logistic_regression"}, make_history, tmp_path) == {"spec": [0], "frozen": [0]}


def test_a_forest_and_a_search_are_played_with_every_seed(make_history: Callable[..., History], tmp_path: Path) -> None:
    forest = {"estimator": "random_forest", "parameters": {"n_estimators": 5}}
    searched = {"estimator": "logistic_regression", "search": {"trials": 2}}
    for training in (forest, searched):
        assert seeds(training, make_history, tmp_path) == {"spec": [0, 1, 2], "frozen": [0, 1, 2]}
