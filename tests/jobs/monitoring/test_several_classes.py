"""Nights of several classes: drift of the predicted class, answers online, labels of later days."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jobs.monitoring.drift import measure_column
from jobs.monitoring.expectation import UNKNOWN
from jobs.monitoring.labelled_predictions import MAIN, ONLINE, SOURCE, LabelledPredictions
from jobs.monitoring.methods import DayComparison
from jobs.monitoring.performance import VersionSlice, day_performance
from tests.tidewheel.spec.test_multiclass import declared
from tidewheel.spec import Pipeline, load_pipeline


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    path = tmp_path / "shop.yaml"
    path.write_text(declared("[a, b, c]", "monitoring: {minimum_slice_rows: 10}\n"))
    return load_pipeline(path)


def test_the_predicted_class_drifts_as_a_category_does(pipeline: Pipeline) -> None:
    def day(shares: list[float], seed: int) -> pd.DataFrame:
        said = np.random.default_rng(seed).choice(["a", "b", "c"], 500, p=shares)
        return pd.DataFrame({"prediction": said, "model_version": "1"})

    rows = {f"2024-01-0{n}": day([0.5, 0.3, 0.2], n) for n in range(1, 7)} | {"2024-01-07": day([0.1, 0.3, 0.6], 7)}
    before = tuple(f"2024-01-0{n}" for n in range(1, 6))
    comparisons = [DayComparison((newest,), before) for newest in ("2024-01-06", "2024-01-07")]
    moved = measure_column(pipeline, rows, "prediction", comparisons)
    assert moved.method == "jensenshannon"
    usual, turned = moved.distances
    assert usual < 0.1 < 0.25 < turned
    assert not moved.gone


def test_each_class_is_a_slice_and_what_was_answered_online_is_measured_by_itself(pipeline: Pipeline) -> None:
    rng = np.random.default_rng(0)
    said = rng.dirichlet([1, 1, 1], 300)
    truth = np.array([rng.choice(3, p=row) for row in said], dtype=np.float64)
    truth[:20] = np.nan
    rows = pd.DataFrame(said, columns=["probability_a", "probability_b", "probability_c"])
    rows = rows.assign(model_version="4", returned=truth, prediction="a", **{SOURCE: [MAIN] * 200 + [ONLINE] * 100})
    found = day_performance(pipeline, LabelledPredictions("2024-01-05", rows), {"4": UNKNOWN})
    assert found.figures[VersionSlice("4")]["rows"] == 180
    assert found.figures[VersionSlice("4")]["labelled_share"] == 0.9
    assert {"macro_f1", "calibration_error", "excess_log_loss", "bias"} <= found.figures[VersionSlice("4")].keys()
    assert found.figures[VersionSlice("4", "requests")]["rows"] == 100
    classes = {part.slice: figures for part, figures in found.figures.items() if "=" in part.slice}
    assert classes.keys() == {"returned=a", "returned=b", "returned=c"}
    assert sum(figures["rows"] for figures in classes.values()) == 180
    mine = (truth[:200] == 1) & np.isfinite(truth[:200])
    assert classes["returned=b"]["recall"] == pytest.approx((said[:200][mine].argmax(axis=1) == 1).mean())
