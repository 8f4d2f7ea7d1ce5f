"""Models that no night could fit or ask: found by fitting made-up rows of the declared columns."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from jobs.checking.finding import sentences
from jobs.checking.model import model_doubts, model_mistakes, served_doubts
from jobs.packaging.form_doubts import form_doubts
from tidewheel.spec import Pipeline

HERE = "tests.jobs.checking.test_model"


def support_vectors(**parameters: object) -> object:
    return LinearSVC(**parameters)


def hinge(**parameters: object) -> object:
    return SGDClassifier(loss="hinge", **parameters)


def a_regressor() -> object:
    return RandomForestRegressor(n_estimators=2)


def network(**parameters: object) -> object:
    return MLPClassifier(max_iter=5, **parameters)


def neighbours(**parameters: object) -> object:
    return KNeighborsClassifier(**parameters)


class _Silent(BaseEstimator):  # type: ignore[misc]
    def fit(self, frame: object, truth: object) -> _Silent:
        self.fitted_ = True
        return self

    def predict_proba(self, frame: object) -> object:
        import numpy as np

        return np.full((20, 2), np.nan)


def silent() -> object:
    return _Silent()


def pipeline(training: dict[str, object], task: str = "classification") -> Pipeline:
    reader = {"kind": "csv", "path": "{partition}.csv"}
    return Pipeline.model_validate(
        {
            "name": "shop",
            "description": "d",
            "owner": {"team": "t"},
            "task": task,
            "source": {"reader": reader, "event_time": "at", "entity_key": ["id"]},
            "labels": {"reader": reader, "column": "returned"},
            "features": {"transform": "a:b", "numeric": ["amount", "age"], "categorical": ["channel"]},
            "training": training,
        }
    )


def with_resources(training: dict[str, object], resources: dict[str, object]) -> Pipeline:
    declared = pipeline(training).model_dump(mode="json")
    return Pipeline.model_validate({**declared, "resources": resources})


def found(training: dict[str, object], task: str = "classification") -> list[str]:
    return sentences(model_mistakes(pipeline(training, task)), {})


@pytest.mark.parametrize(
    ("training", "task", "key", "said"),
    [
        ({"parameters": {"max_leaf_nodes": 1}}, "classification", "parameters.max_leaf_nodes", "range [2, inf)"),
        ({"parameters": {"loss": "squared_error"}}, "classification", "parameters.loss", "must be a str among"),
        ({"parameters": {"loss": "log_loss"}}, "regression", "parameters.loss", "must be a str among"),
        ({"parameters": {"learning_rate": "fast"}}, "classification", "parameters.learning_rate", "learning_rate"),
        ({"parameters": {"class_weight": [1, 5]}}, "classification", "parameters.class_weight", "class_weight"),
        (
            {"estimator": "logistic_regression", "parameters": {"solver": "newtn"}},
            "classification", "parameters.solver", "solver",
        ),
        (
            {"estimator": "random_forest", "parameters": {"max_features": 0}},
            "classification", "parameters.max_features", "max_features",
        ),
        (
            {"estimator": "xgboost", "parameters": {"early_stopping_rounds": 5}},
            "classification", "estimator", "validation dataset",
        ),
        (
            {"estimator": "xgboost", "parameters": {"objective": "reg:x"}},
            "classification", "parameters.objective", "reg:x",
        ),
        ({"estimator": f"{HERE}:support_vectors"}, "classification", "estimator", "LinearSVC, which has no pre"),
        ({"estimator": f"{HERE}:hinge"}, "classification", "estimator", "SGDClassifier"),
        ({"estimator": f"{HERE}:a_regressor"}, "classification", "estimator", "a regressor; the task"),
        ({"estimator": f"{HERE}:neighbours"}, "regression", "estimator", "a classifier; the task is regression"),
        ({"estimator": f"{HERE}:silent"}, "classification", "estimator", "what is no number"),
        (
            {"search": {"space": {"max_leaf_nodes": {"low": 1, "high": 31, "whole": True}}}},
            "classification", "search.space.max_leaf_nodes", "1 cannot be tried",
        ),
        (
            {"search": {"space": {"max_leaf_nodes": {"low": 2, "high": 31}}}},
            "classification", "search.space.max_leaf_nodes", "2.0 cannot be tried",
        ),
        (
            {"search": {"space": {"class_weight": [None, "blanced", {0: 1, 1: 5}]}}},
            "classification", "search.space.class_weight", "'blanced' cannot be tried",
        ),
    ],
)  # fmt: skip
def test_what_only_fitting_or_asking_rejects_is_found_before_a_night_does(
    training: dict[str, object], task: str, key: str, said: str
) -> None:
    [sentence] = found(training, task)

    assert sentence.startswith(f"training.{key}: ")
    assert said in sentence


@pytest.mark.parametrize(
    ("training", "task"),
    [
        ({}, "regression"),
        ({"parameters": {"class_weight": {0: 1, 1: 5}, "max_iter": 1000, "min_samples_leaf": 500}}, "classification"),
        ({"parameters": {"monotonic_cst": [1, 0, 0], "interaction_cst": [[0, 1], [2]]}}, "classification"),
        ({"estimator": f"{HERE}:network", "parameters": {"hidden_layer_sizes": [16, 8]}}, "classification"),
        ({"parameters": {"loss": "gamma", "early_stopping": True}}, "regression"),
        ({"estimator": "logistic_regression", "search": {}}, "regression"),
        ({"estimator": "xgboost", "parameters": {"device": "cuda"}}, "classification"),
        ({"estimator": "random_forest", "parameters": {"class_weight": {"0": 1, "1": 5}}}, "classification"),
        ({"estimator": "lightgbm", "search": {}}, "regression"),
        ({"estimator": "catboost", "parameters": {"task_type": "GPU"}, "search": {}}, "classification"),
    ],
)  # fmt: skip
def test_a_model_that_can_be_fitted_and_asked_is_right(training: dict[str, object], task: str) -> None:
    assert found(training, task) == []


def test_a_parameter_that_counts_for_nothing_is_a_doubt() -> None:
    [said] = sentences(model_doubts(pipeline({"parameters": {"random_state": 3}})), {})

    assert said == "training.parameters.random_state: counts for nothing: training.seed (0) replaces it"


def test_an_estimator_that_takes_no_missing_value_is_a_doubt() -> None:
    [said] = sentences(model_doubts(pipeline({"estimator": f"{HERE}:neighbours"})), {})

    assert said.startswith("training.estimator: takes no row with a missing value or a new category: ")
    assert "NaN" in said


@pytest.mark.parametrize(
    ("estimator", "resources", "said"),
    [
        (
            "random_forest",
            {"train": {"gpu": 1}},
            "keeps 1 idle: random_forest is fitted on the CPU; xgboost uses a GPU",
        ),
        ("xgboost", {"train": {"gpu": 4}}, "keeps 3 idle: xgboost is fitted on one GPU"),
        ("xgboost", {"score": {"gpu": 1}}, "keeps 1 idle: only the job train uses a GPU"),
        ("xgboost", {"train": {"gpu": 1}}, ""),
        ("lightgbm", {"train": {"gpu": 1}}, "keeps 1 idle: lightgbm is fitted on the CPU"),
        ("catboost", {"train": {"gpu": 1}}, "keeps 1 idle: catboost is fitted on the CPU without `task_type: GPU`"),
        (f"{HERE}:network", {"train": {"gpu": 1}}, ""),
    ],
)
def test_gpus_that_nothing_would_use_are_a_doubt(estimator: str, resources: dict[str, object], said: str) -> None:
    found = " ".join(sentences(model_doubts(with_resources({"estimator": estimator}, resources)), {}))

    assert (said in found) if said else ("idle" not in found)


def served(training: dict[str, object], task: str = "classification") -> list[str]:
    """What `validate` says of serving a model with these parameters."""
    declared = pipeline(training, task)
    return sentences(served_doubts(declared, lambda model, rows: form_doubts(declared, model, rows.frame)), {})


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", ["xgboost", "lightgbm", "catboost"])
def test_the_boosters_are_served_and_explained_exactly_by_default(estimator: str, task: str) -> None:
    assert served({"estimator": estimator}, task) == []


@pytest.mark.parametrize(
    ("training", "task", "said"),
    [
        (
            {"estimator": "lightgbm", "parameters": {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}},
            "classification",
            "training.parameters: with them no prediction can be explained: the trees of LightGBM's boosting rf are "
            "averaged",
        ),
        (
            {"estimator": "catboost", "parameters": {"loss_function": "RMSEWithUncertainty"}},
            "regression",
            "catboost itself would serve, and the serving image has no catboost",
        ),
        (
            {"estimator": "xgboost", "parameters": {"booster": "dart"}},
            "classification",
            "XGBoost's booster dart with objective binary:logistic is not explained",
        ),
    ],
)
def test_parameters_that_cost_the_fast_form_or_the_explanation_are_a_doubt(
    training: dict[str, object], task: str, said: str
) -> None:
    assert said in " ".join(served(training, task))
