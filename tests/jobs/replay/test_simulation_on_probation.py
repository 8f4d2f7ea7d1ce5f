"""A play with probation: promoted at once, from all days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.policies import Declared
from jobs.replay.result_cache import ResultCache
from jobs.replay.simulation import Simulation, simulate
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

PLAYED = PartitionRange(FIRST + timedelta(days=14), FIRST + timedelta(days=34))


def on_probation() -> Pipeline:
    return Pipeline.model_validate({**DECLARED, "gate": {"mode": "probation"}})


def played(history: History, folder: Path) -> Simulation:
    fitter = Fitter(history.pipeline, 0, ResultCache(folder))
    return simulate(history, Declared("spec", history.pipeline), PLAYED, fitter)


def test_a_challenger_learns_from_every_matured_day_and_serves_from_the_next_day(
    make_history: Callable[..., History], tmp_path: Path
) -> None:
    found = played(make_history(on_probation()), tmp_path)
    second = found.trainings[1]
    assert second.version == "2"
    assert second.rows == 60 * ((second.as_of - FIRST).days - 1)  # labels are known two days later
    assert found.versions[second.as_of + timedelta(days=1)] == "2"
    assert "that it has learned from" in second.says


def test_each_evening_says_how_the_version_on_probation_does(
    make_history: Callable[..., History], tmp_path: Path
) -> None:
    found = played(make_history(on_probation()), tmp_path)
    trained = found.trainings[1].as_of
    said = [decision.probation for decision in found.decisions if decision.day > trained]
    assert said[0] == (
        "no action: version 2 against version 1: no labels yet; probation continues for at most 14 labelled days or 27 "
        "nights more"
    )
    assert said[2].startswith("no action: version 2 against version 1: ")
    assert "over 1 day" in said[2]
