"""A replay weighs rows as the nights do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from jobs.models.prediction import Array, predict
from jobs.replay.fits import Fitter
from jobs.replay.history import History
from jobs.replay.result_cache import ResultCache
from jobs.replay.series import quality_over_time
from jobs.replay.simulation import Simulation
from jobs.replay.summary import summarize
from tests.jobs.replay.conftest import DECLARED, FIRST
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

DAYS = [FIRST + timedelta(days=n) for n in range(20)]


@pytest.fixture
def weighted() -> Pipeline:
    training = {**DECLARED["training"], "sample_weight": "items"}  # type: ignore[dict-item]
    return Pipeline.model_validate({**DECLARED, "training": training})


def with_weights(history: History, weights: np.ndarray) -> History:
    return replace(history, rows=replace(history.rows, weights=weights))


def test_a_fit_weighs_rows(weighted: Pipeline, make_history: Callable[..., History], tmp_path: Path) -> None:
    history = make_history(pipeline=weighted, days=20)
    late = with_weights(history, np.where(history.rows.truth == 1, 5.0, 1.0))
    means = []
    for number, each in enumerate((history, late)):
        fit = Fitter(weighted, 0, ResultCache(tmp_path / str(number))).fit(each.on(DAYS[-1]), each.days[:15])
        means.append(predict(fit.model, history.rows.frame, weighted.task).mean())
    assert means[1] > means[0] + 0.1


def test_the_summary_and_the_curve_are_of_weighted_rows(
    weighted: Pipeline, make_history: Callable[..., History]
) -> None:
    history, played = make_history(pipeline=weighted, days=20), PartitionRange(DAYS[0], DAYS[-1])
    some = np.arange(len(history.rows)) % 2 == 0
    rows = with_weights(history, np.where(some, 2.0, 0.0)).taken(DAYS)
    said = np.clip(rows.truth * 0.6 + 0.1 + some * 0.1, 0.05, 0.95)
    every = _play(said)
    (one,) = summarize(weighted, rows, [every])
    half = replace(rows, frame=rows.frame[some], truth=rows.truth[some], days=rows.days[some], weights=None)
    (other,) = summarize(weighted, half, [_play(said[some])])
    assert one.quality == other.quality
    assert one.figures == pytest.approx(other.figures)
    curves = [
        quality_over_time(weighted, each, [play], played) for each, play in ((rows, every), (half, _play(said[some])))
    ]
    assert np.allclose(*curves, equal_nan=True)


def _play(answers: Array) -> Simulation:
    return Simulation("spec", 0, (), (), dict.fromkeys(DAYS, "1"), answers, 0.0)
