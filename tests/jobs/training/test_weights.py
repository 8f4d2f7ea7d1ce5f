"""How much rows and classes count in a fit, of every estimator that has a name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from jobs.models.prediction import model_frame, predict
from jobs.training.class_weights import fit_weights
from jobs.training.fitting import TrainingRows, fit_rows
from tests.jobs.models.small_tasks import pipeline_of
from tests.named_estimators import NAMED
from tidewheel.errors import ModelRefused

SMALL: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 10},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 10},
    "xgboost": {"n_estimators": 10},
    "tabular_net": {"epochs": 15, "hidden": [32], "batch_size": 64, "learning_rate": 0.005},
    "lightgbm": {"n_estimators": 10},
    "catboost": {"n_estimators": 60, "learning_rate": 0.1},
}
ROWS = 1500


def training_rows(task: str = "classification") -> TrainingRows:
    """A label that nine in ten rows do not have; of a regression, numbers."""
    draw = np.random.default_rng(0)
    raw = pd.DataFrame({name: draw.normal(size=ROWS) for name in ("weight", "distance", "pressure")})
    raw["carrier"], raw["origin"] = draw.choice(["fast", "slow"], ROWS), draw.choice(["EWR", "JFK"], ROWS)
    score = raw["weight"] + draw.normal(size=ROWS)
    truth = {"classification": score > 1.8, "multiclass": np.digitize(score, [1.2, 2.2]), "squared_error": score}[task]
    frame = model_frame(raw, pipeline_of(task).features)
    return TrainingRows(frame, np.asarray(truth, dtype=float), pd.Series(["2024-01-01"] * ROWS))


def mean_prediction(rows: TrainingRows, task: str, estimator: str, **training: Any) -> Any:
    """What a model says on average of the rows that it was fitted to."""
    pipeline = pipeline_of(task, estimator=estimator, parameters=SMALL[estimator], **training)
    return predict(fit_rows(pipeline, rows).model, rows.frame, pipeline.task).mean(axis=0)


@pytest.mark.parametrize("estimator", NAMED)
def test_balanced_classes_make_a_rare_label_as_probable_as_the_other(estimator: str) -> None:
    rows = training_rows()
    plain = mean_prediction(rows, "classification", estimator)
    assert plain == pytest.approx(rows.truth.mean(), abs=0.02)
    assert 2 * plain < mean_prediction(rows, "classification", estimator, class_weight="balanced") < 0.5


@pytest.mark.parametrize("estimator", NAMED)
def test_rows_that_count_more_move_the_mean_towards_them(estimator: str) -> None:
    rows = training_rows("squared_error")
    heavy = TrainingRows(rows.frame, rows.truth, rows.days, np.where(rows.truth > 0, 9.0, 1.0))
    plain, moved = (mean_prediction(each, "squared_error", estimator) for each in (rows, heavy))
    weighted = np.average(rows.truth, weights=heavy.weights)
    assert plain == pytest.approx(rows.truth.mean(), abs=0.1)
    assert plain + 0.2 < moved < weighted + 0.1


@pytest.mark.parametrize("estimator", ["logistic_regression", "xgboost", "lightgbm", "catboost"])
def test_of_several_classes_each_has_the_weight_of_its_name(estimator: str) -> None:
    rows, weights = training_rows("multiclass"), {"a": 1, "b": 1, "c": 20}
    plain = mean_prediction(rows, "multiclass", estimator)
    heavier = mean_prediction(rows, "multiclass", estimator, class_weight=weights)
    assert heavier[2] > 3 * plain[2]


def test_weights_have_a_mean_of_1_whatever_their_unit() -> None:
    rows = training_rows()
    pipeline = pipeline_of("classification", class_weight={0: 1, 1: 5})
    found = fit_weights(pipeline, rows.truth, np.full(ROWS, 1000.0))
    assert found is not None
    assert found.mean() == pytest.approx(1)
    assert np.unique(found / found.min()).tolist() == pytest.approx([1, 5])
    assert fit_weights(pipeline_of("classification"), rows.truth, None) is None


def test_balanced_counts_rows_as_their_own_weights_say() -> None:
    truth, own = np.array([0.0, 0.0, 0.0, 1.0]), np.array([1.0, 1.0, 4.0, 2.0])
    found = fit_weights(pipeline_of("classification", class_weight="balanced"), truth, own)
    assert found is not None
    assert found[:3].sum() == pytest.approx(found[3])
    assert found[2] == pytest.approx(4 * found[0])


def neighbours() -> KNeighborsClassifier:
    """A team's own estimator that cannot weigh rows."""
    return KNeighborsClassifier()


def test_an_estimator_that_cannot_weigh_rows_is_refused_by_name() -> None:
    rows = training_rows()
    pipeline = pipeline_of("classification", estimator=f"{__name__}:neighbours", class_weight="balanced")
    with pytest.raises(ModelRefused, match="KNeighborsClassifier cannot weigh rows: its fit has no argument sample_w"):
        fit_rows(pipeline, rows)
