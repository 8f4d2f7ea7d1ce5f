"""Figures, columns and labels of several classes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from bentos.outputs import Outputs, aligned
from jobs.data.label_numbers import label_numbers
from jobs.evaluation.comparison import PairedRows, ScoredRows, drawn_days, figure_interval, loss_difference, losses
from jobs.evaluation.drawn_figures import drawn_figure
from jobs.models.calibration import expected_log_losses
from jobs.models.figures import all_figures
from jobs.models.metrics import measure
from jobs.models.multiclass import log_losses
from jobs.models.paired_losses import row_losses
from jobs.models.prediction import Array
from jobs.models.recalibration import LITERAL, fit_line
from jobs.monitoring.class_performance import about_classes, estimate_classes
from tests.tidewheel.spec.test_multiclass import declared
from tidewheel.errors import DataRefused
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.decision import Decision

CLASSES = ("a", "b", "c")


@pytest.fixture
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    path = tmp_path_factory.mktemp("dags") / "shop.yaml"
    path.write_text(declared("[a, b, c]"))
    return load_pipeline(path)


def drawn(rows: int = 400, seed: int = 0, sharp: float = 1.0) -> tuple[Array, Array]:
    """Labels that are drawn from the probabilities that are predicted for them."""
    rng = np.random.default_rng(seed)
    predicted = rng.dirichlet([sharp] * 3, rows)
    truth = np.array([rng.choice(3, p=row) for row in predicted], dtype=np.float64)
    return truth, predicted


def test_figures_are_those_of_scikit_learn(pipeline: Pipeline) -> None:
    truth, predicted = drawn()
    said = predicted.argmax(axis=1)
    assert all_figures(truth, predicted, pipeline) == pytest.approx(
        {
            "log_loss": metrics.log_loss(truth, predicted),
            "brier": ((predicted - np.eye(3)[truth.astype(int)]) ** 2).sum(axis=1).mean() / 2,
            "d2": metrics.d2_log_loss_score(truth, predicted),
            "accuracy": metrics.accuracy_score(truth, said),
            "macro_f1": metrics.f1_score(truth, said, average="macro"),
            "macro_recall": metrics.balanced_accuracy_score(truth, said),
        },
        rel=1e-9,
    )


def test_a_class_that_nowhere_occurs_counts_in_no_macro_figure(pipeline: Pipeline) -> None:
    truth = np.array([0.0, 0.0, 1.0, 1.0])
    predicted = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0]])
    found = all_figures(truth, predicted, pipeline)
    assert found["macro_recall"] == 0.75
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted.argmax(axis=1), average="macro"))


def test_without_rows_or_with_a_prediction_that_is_no_number_nothing_is_known(pipeline: Pipeline) -> None:
    truth, predicted = drawn(10)
    predicted[3, 1] = np.nan
    for found in (all_figures(truth, predicted, pipeline), all_figures(np.empty(0), np.empty(0), pipeline)):
        assert set(found) == {"log_loss", "brier", "d2", "accuracy", "macro_f1", "macro_recall"}
        assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("name", ["log_loss", "brier", "d2", "accuracy", "macro_f1", "macro_recall"])
def test_under_the_draw_that_takes_each_day_once_a_figure_is_what_it_is(pipeline: Pipeline, name: str) -> None:
    truth, predicted = drawn()
    days = pd.Series(np.repeat([f"2024-01-0{n}" for n in range(1, 9)], 50))
    rows, draws = ScoredRows(truth, predicted, days), drawn_days(days, 0)
    drawn_values = (
        losses(name, rows, draws) if name in ("log_loss", "brier") else drawn_figure(name, rows, draws, Decision())
    )
    assert drawn_values[0] == pytest.approx(all_figures(truth, predicted, pipeline)[name])
    low, high = figure_interval(name, ScoredRows(truth, predicted, days), confidence=0.9, seed=0)
    assert low < drawn_values[0] < high


def test_a_worse_model_is_seen_to_be_worse_day_by_day() -> None:
    truth, predicted = drawn(800)
    days = pd.Series(np.repeat([f"2024-01-0{n}" for n in range(1, 9)], 100))
    worse = (predicted + 1 / 3) / 2
    difference, bound = loss_difference(PairedRows("log_loss", truth, worse, predicted, days), confidence=0.975, seed=0)
    assert difference == pytest.approx(log_losses(truth, worse).mean() - log_losses(truth, predicted).mean())
    assert 0 < difference < bound
    assert row_losses("brier", truth, predicted).mean() == pytest.approx(
        measure(truth, predicted, "multiclass")["brier"]
    )


def test_a_calibrated_model_loses_what_it_expects_and_is_right_as_often_as_it_says() -> None:
    truth, predicted = drawn(20_000)
    about = about_classes(truth, predicted)
    assert abs(about["excess_log_loss"]) < 0.02
    assert abs(about["bias"]) < 0.01
    assert about["calibration_error"] < 0.02
    assert about["expected_log_loss"] == pytest.approx(expected_log_losses(predicted).mean())
    guessed, real = estimate_classes(predicted), measure(truth, predicted, "multiclass")
    assert guessed["estimated_log_loss"] == pytest.approx(real["log_loss"], abs=0.02)
    assert guessed["estimated_brier"] == pytest.approx(real["brier"], abs=0.01)
    assert guessed["estimated_accuracy"] == pytest.approx((predicted.argmax(axis=1) == truth).mean(), abs=0.01)
    assert fit_line(truth, predicted, "multiclass") == LITERAL


@pytest.mark.parametrize("classes", [CLASSES, (7, 3, 5)])
def test_predictions_come_back_from_their_columns(classes: tuple[str | int, ...]) -> None:
    outputs, (_, predicted) = Outputs(classes), drawn(5)
    columns = dict(zip(outputs.columns, (array.to_numpy(False) for array in outputs.arrays(predicted)), strict=True))
    assert (outputs.read(columns, 5) == predicted).all()
    assert columns["prediction"].tolist() == [classes[place] for place in predicted.argmax(axis=1)]
    del columns[outputs.probabilities[1]]  # of a version that did not know this class
    assert (outputs.read(columns, 5)[:, 1] == 0).all()


def test_the_class_of_a_row_without_probabilities_is_unknown() -> None:
    predicted = np.array([[0.2, 0.5, 0.3], [np.nan, np.nan, np.nan]])
    assert Outputs(CLASSES).chosen(predicted) == ["b", None]


def test_a_class_that_a_version_does_not_know_has_no_probability() -> None:
    predicted = np.array([[0.2, 0.5, 0.3]])
    assert aligned(predicted, ("a", "b", "gone"), ("new", "b", "a")).tolist() == [[0.0, 0.5, 0.2]]
    assert log_losses(np.array([0.0]), aligned(predicted, ("a", "b", "gone"), ("new", "b", "a")))[0] > 15


def test_labels_become_the_places_of_their_classes(pipeline: Pipeline) -> None:
    found = label_numbers(pd.Series(["c", None, "a"], dtype=object), pipeline)
    assert found[[0, 2]].tolist() == [2.0, 0.0]
    assert math.isnan(found[1])
    with pytest.raises(
        DataRefused, match=r"1 labels in returned are none of labels.classes \(a, b, c\), for example 'd'"
    ):
        label_numbers(pd.Series(["c", "d"], dtype=object), pipeline)
