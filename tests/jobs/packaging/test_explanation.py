"""What explains a model is exact: it adds up to the raw output, and is each field's Shapley value or coefficient."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import OneHotEncoder

from bentos.explainer import Explainer, Explanation, unpack
from bentos.predictor import load
from jobs.models.contract import write_contract
from jobs.models.prediction import Task, model_frame
from jobs.packaging.catboost_trees import is_catboost
from jobs.packaging.compile import columns_of, comparison_frame, compile_model
from jobs.packaging.explanation import explanation_of
from jobs.packaging.tree import Tree
from jobs.packaging.trees import raw_trees
from tests.small_models import FEATURES, Trained, train

ESTIMATORS = ["hist_gradient_boosting", "logistic_regression", "random_forest", "xgboost", "lightgbm", "catboost"]
UNITS = {
    ("random_forest", "classification"): "probability",
    **{(name, "classification"): "log_odds" for name in ESTIMATORS if name != "random_forest"},
    **{(name, "regression"): "value" for name in ESTIMATORS},
}
ROW = st.fixed_dictionaries(
    {
        "weight": st.floats(-1e6, 1e6),
        "distance": st.floats(-1e6, 1e6),
        "pressure": st.floats(-1e6, 1e6) | st.none(),
        "carrier": st.sampled_from(["fast", "slow", "other", "zeppelin"]),
        "origin": st.sampled_from(["EWR", "JFK", "LGA", "ANC"]) | st.none(),
    }
)


@cache
def fitted(estimator: str, task: Task) -> Trained:
    return train(estimator, task)


def opened(trained: Trained) -> Explainer | str:
    return unpack(explanation_of(trained.model, trained.contract, comparison_frame(trained.contract, 100), 1e-5))


@cache
def explainer(estimator: str, task: Task) -> Explainer:
    found = opened(fitted(estimator, task))
    assert isinstance(found, Explainer), found
    return found


def explained(estimator: str, task: Task, frame: pd.DataFrame) -> Explanation:
    return explainer(estimator, task)(columns_of(frame, fitted(estimator, task).contract))


def raw_output(trained: Trained, frame: pd.DataFrame, task: Task) -> np.ndarray:
    """As each library itself gives it."""
    estimator, prepared = trained.model[-1], trained.model[:-1].transform(frame)
    if hasattr(estimator, "get_booster"):
        return np.asarray(estimator.predict(prepared, output_margin=True), dtype=float)
    if hasattr(estimator, "booster_"):
        return np.asarray(estimator.predict(prepared, raw_score=True))
    if is_catboost(estimator):
        return np.asarray(estimator.predict(prepared, prediction_type="RawFormulaVal"))
    if task == "regression":
        return np.asarray(estimator.predict(prepared))
    if hasattr(estimator, "decision_function"):
        return np.asarray(estimator.decision_function(prepared))
    return np.asarray(estimator.predict_proba(prepared)[:, 1])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_base_and_contributions_add_up_to_the_raw_output_of_any_row(
    estimator: str, task: Task, rows: list[dict[str, Any]]
) -> None:
    frame = model_frame(pd.DataFrame(rows), FEATURES)
    found = explained(estimator, task, frame)
    assert found.unit == UNITS[estimator, task]
    assert found.fields == ("weight", "distance", "pressure", "carrier", "origin")
    assert found.outputs == pytest.approx(raw_output(fitted(estimator, task), frame, task), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_contributions_are_those_that_xgboost_itself_gives(task: Task) -> None:
    trained = fitted("xgboost", task)
    frame = trained.frame.head(300)
    prepared = xgboost.DMatrix(trained.model[:-1].transform(frame).astype(np.float32))
    theirs = trained.model[-1].get_booster().predict(prepared, pred_contribs=True)
    found = explained("xgboost", task, frame)
    assert found.contributions == pytest.approx(theirs[:, :-1], abs=2e-5)
    assert found.base == pytest.approx(theirs[0, -1], abs=1e-5)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_contributions_are_those_that_lightgbm_itself_gives(task: Task) -> None:
    trained = fitted("lightgbm", task)
    frame = trained.frame.head(300)
    theirs = trained.model[-1].predict(trained.model[:-1].transform(frame), pred_contrib=True)
    found = explained("lightgbm", task, frame)
    assert found.contributions == pytest.approx(theirs[:, :-1], abs=1e-7)
    assert found.base == pytest.approx(theirs[0, -1], abs=1e-7)


@pytest.mark.parametrize("parameters", [{}, {"nan_mode": "Max"}], ids=str)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_contributions_are_those_that_catboost_itself_gives(task: Task, parameters: dict[str, Any]) -> None:
    from catboost import Pool

    trained = train("catboost", task, **parameters)
    frame = trained.frame.head(300)
    prepared = Pool(trained.model[:-1].transform(frame))
    theirs = trained.model[-1].get_feature_importance(prepared, type="ShapValues", shap_calc_type="Regular")
    found = opened(trained)
    assert isinstance(found, Explainer), found
    mine = found(columns_of(frame, trained.contract))
    assert mine.contributions == pytest.approx(theirs[:, :-1], abs=1e-6)
    assert mine.base == pytest.approx(theirs[0, -1], abs=1e-6)


@pytest.mark.parametrize("grow_policy", ["Depthwise", "Lossguide"])
def test_of_catboosts_trees_that_are_not_symmetric_the_base_is_the_mean_over_the_training_rows(
    grow_policy: str,
) -> None:  # CatBoost's own contributions start elsewhere: its weights of such trees are not their rows
    trained = train("catboost", "regression", grow_policy=grow_policy)
    found = opened(trained)
    assert isinstance(found, Explainer), found
    explanation = found(columns_of(trained.frame, trained.contract))
    said = trained.model.predict(trained.frame)
    assert explanation.base == pytest.approx(said.mean(), abs=1e-6)
    assert explanation.outputs == pytest.approx(said, abs=1e-6)


def expected_value(tree: Tree, row: np.ndarray, known: frozenset[int], owner: list[int], node: int = 0) -> float:
    """A tree's value where only some fields of a row are known: at the others both ways are gone, by their rows."""
    if tree.left[node] < 0:
        return float(tree.value[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    if owner[int(tree.position[node])] in known:
        value = row[tree.position[node]]
        goes_left = tree.missing_left[node] if math.isnan(value) else value <= tree.threshold[node]
        return expected_value(tree, row, known, owner, left if goes_left else right)
    both = [tree.cover[child] * expected_value(tree, row, known, owner, child) for child in (left, right)]
    return float(sum(both) / tree.cover[node])


def shapley_values(model: Any, row: np.ndarray, task: Task, owner: list[int]) -> list[float]:
    """By the definition: over all sets of the other fields."""
    fields = sorted(set(owner))
    trees = raw_trees(model[-1], task).trees

    @cache
    def value(known: frozenset[int]) -> float:
        return sum(expected_value(tree, row, known, owner) for tree in trees)

    found = []
    for field in fields:
        others = [other for other in fields if other != field]
        found.append(
            sum(
                (value(frozenset(known) | {field}) - value(frozenset(known)))
                / (len(fields) * math.comb(len(others), size))
                for size in range(len(fields))
                for known in combinations(others, size)
            )
        )
    return found


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", ["hist_gradient_boosting", "random_forest"])
def test_contributions_of_trees_are_shapley_values_by_their_definition(estimator: str, task: Task) -> None:
    trained = fitted(estimator, task)
    frame = comparison_frame(trained.contract, 3).tail(3)
    found = explained(estimator, task, frame).contributions
    for row, contributions in zip(trained.model[:-1].transform(frame), found, strict=True):
        assert contributions.tolist() == pytest.approx(shapley_values(trained.model, row, task, [0, 1, 2, 3, 4]))


def own_model(estimator: Any, categorical: Any = "passthrough") -> Trained:
    base = fitted("hist_gradient_boosting", "classification")
    frame = base.frame.dropna()
    columns = ColumnTransformer([("numbers", "passthrough", FEATURES.numeric), ("rest", categorical, ["carrier"])])
    label = (frame["weight"] + (frame["carrier"] == "slow") > 0).astype(int)
    model = Steps([("columns", columns), ("estimator", estimator)]).fit(frame, label)
    return Trained(model, write_contract("orders", "classification", FEATURES, frame, model), frame)


def test_a_category_of_many_columns_is_one_field() -> None:
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    trained = own_model(RandomForestClassifier(5, max_depth=4, random_state=0), one_hot)
    found = opened(trained)
    assert isinstance(found, Explainer), found
    frame = trained.frame.head(3)
    contributions = found(columns_of(frame, trained.contract)).contributions
    for row, mine in zip(trained.model[:-1].transform(frame), contributions, strict=True):
        by_definition = shapley_values(trained.model, row, "classification", [0, 1, 2, 3, 3, 3])
        assert mine[:4].tolist() == pytest.approx(by_definition)
        assert mine[4] == 0  # the model does not look at the origin


def test_what_a_linear_model_adds_is_coefficient_times_prepared_value_summed_by_field() -> None:
    trained = fitted("logistic_regression", "classification")
    frame = trained.frame.head(50)
    prepared, names = trained.model[:-1].transform(frame), trained.model[0].get_feature_names_out()
    terms = np.asarray(prepared.todense() if hasattr(prepared, "todense") else prepared) * trained.model[-1].coef_[0]
    found = explained("logistic_regression", "classification", frame)
    assert found.base == pytest.approx(trained.model[-1].intercept_[0])
    for place, field in enumerate(found.fields):
        mine = [column for column, name in enumerate(names) if field in name.split("__")[-1]]
        assert found.contributions[:, place] == pytest.approx(terms[:, mine].sum(axis=1))


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (KNeighborsClassifier(), "KNeighborsClassifier is neither linear nor made of trees; linear models, random for"),
        (HistGradientBoostingClassifier(max_iter=3, categorical_features=[3]), "split by sets of categories"),
    ],
)
def test_a_model_that_cannot_be_explained_says_why(estimator: Any, why: str) -> None:
    found = opened(
        own_model(estimator, fitted("xgboost", "classification").model[0].named_transformers_["categorical"])
    )
    assert isinstance(found, str)
    assert why in found


def test_an_explanation_that_misses_the_prediction_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = train("xgboost", "regression")
    booster = trained.model[-1].get_booster()
    shifted = bytes(booster.save_raw("json")).replace(b'"base_score":"[', b'"base_score":"[1')
    monkeypatch.setattr(type(booster), "save_raw", lambda self, form: shifted)
    found = opened(trained)
    assert isinstance(found, str)
    assert "would miss its predictions by up to" in found


def test_a_number_close_to_a_threshold_takes_the_branch_that_the_compiled_model_takes() -> None:
    trained = fitted("hist_gradient_boosting", "regression")
    frame = comparison_frame(trained.contract, 100)
    tree = raw_trees(trained.model[-1], "regression").trees[0]
    threshold = tree.threshold[0]
    column = FEATURES.columns[tree.position[0]]
    rows = pd.concat(
        frame.tail(1).assign(**{column: value})
        for value in (threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf))
    )
    compiled = compile_model(trained.model, trained.contract, frame, form="onnx")
    served = load(compiled.format, compiled.content)(columns_of(rows, trained.contract))
    found = unpack(explanation_of(trained.model, trained.contract, frame, 1e-5, single_precision=True))
    assert isinstance(found, Explainer)
    assert (compiled.format, found.kind) == ("onnx", np.float32)
    assert found(columns_of(rows, trained.contract)).predictions == pytest.approx(served, rel=1e-5)


def test_the_same_model_is_explained_by_the_same_bytes() -> None:
    trained, frame = fitted("xgboost", "regression"), comparison_frame(fitted("xgboost", "regression").contract, 50)
    first, second = (explanation_of(trained.model, trained.contract, frame, 1e-5) for _ in range(2))
    assert first == second
