"""A compiled model answers as the model does; the fastest exact form is taken, and the reason against others kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline as Steps
from sklearn.preprocessing import FunctionTransformer

from bentos.encoding import UnknownCategory
from bentos.predictor import load
from jobs.models.contract import write_contract
from jobs.models.prediction import Task, predict
from jobs.packaging.compile import (
    NotExpressible,
    columns_of,
    comparison_frame,
    compile_model,
    encoding_of,
    largest_difference,
)
from tests.named_estimators import NAMED
from tests.small_models import FEATURES, Trained, train


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", NAMED)
def test_every_named_estimator_has_a_fast_exact_form(estimator: str, task: Task) -> None:
    trained = train(estimator, task)
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 500))
    assert compiled.format in ("onnx", "treelite"), compiled.candidates
    served = load(compiled.format, compiled.content)(columns_of(trained.frame, trained.contract))
    assert largest_difference(served, predict(trained.model, trained.frame, task)) <= 1e-5


@pytest.mark.parametrize("grow_policy", ["Depthwise", "Lossguide"])
@pytest.mark.parametrize("task", ["classification", "regression", "multiclass"])
def test_trees_of_catboost_that_are_not_symmetric_are_served_by_onnx(grow_policy: str, task: Task) -> None:
    trained = train("catboost", task, grow_policy=grow_policy)
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 500))
    assert compiled.format == "onnx", compiled.candidates


def test_the_same_model_compiles_to_the_same_bytes() -> None:
    trained = train()
    frame = comparison_frame(trained.contract, 200)
    first, second = (compile_model(trained.model, trained.contract, frame) for _ in range(2))
    assert [c.content for c in first.candidates] == [c.content for c in second.candidates]


def with_estimator(estimator: object) -> Trained:
    """The small model with another last step."""
    base = train()
    label = (base.frame["weight"] > 0).astype(int)
    model = Steps([("columns", base.model[0]), ("estimator", estimator)]).fit(base.frame.fillna({"pressure": 1}), label)
    return Trained(model, write_contract("orders", "classification", FEATURES, base.frame, model), base.frame)


def test_splits_by_category_that_onnx_cannot_say_are_left_to_treelite() -> None:
    trained = with_estimator(HistGradientBoostingClassifier(max_iter=10, categorical_features=[3, 4]))
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 500))
    assert compiled.format == "treelite"
    assert "differs by up to" in compiled.candidates[0].refused


def test_a_form_that_differs_more_than_allowed_is_not_taken() -> None:
    trained = train()
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 200), tolerance=0)
    assert compiled.format == "native"
    assert compiled.max_difference == 0


def test_what_no_other_form_can_say_stays_native() -> None:
    base = train()
    frame = base.frame.fillna({"pressure": 1013.0})
    first = Steps([("columns", base.model[0]), ("bend", FunctionTransformer(np.tanh))])
    model = Steps([("first", first), ("estimator", KNeighborsClassifier())])
    model.fit(frame, (frame["weight"] > 0).astype(int))
    contract = write_contract("orders", "classification", FEATURES, frame, model)
    compiled = compile_model(model, contract, comparison_frame(contract, 50))
    assert compiled.format == "native"
    assert all("do more to 'weight' than fill and scale it" in c.refused for c in compiled.candidates[:2])


def test_steps_that_mix_columns_are_found_out() -> None:
    base = train()

    def mix(frame: Any) -> np.ndarray[Any, Any]:
        encoded = base.model[0].transform(frame)
        return np.column_stack([encoded, encoded[:, 0] + encoded[:, 1]])

    label = (base.frame["weight"] > 0).astype(int)
    steps = [("mix", FunctionTransformer(mix)), ("estimator", HistGradientBoostingClassifier(max_iter=2))]
    model = Steps(steps).fit(base.frame, label)
    with pytest.raises(NotExpressible, match="mix the columns 'weight' and 'distance'"):
        encoding_of(model, base.contract)


def test_an_encoding_that_refuses_unknown_categories_says_which() -> None:
    encoding = encoding_of(train().model, train().contract)
    strict = [c.__class__(c.name, c.positions, c.table, None, c.missing) for c in encoding.categories]
    with pytest.raises(UnknownCategory, match="column 'carrier': the model cannot take 'zeppelin'"):
        strict[0].fill(np.zeros((1, len(encoding.base))), ["zeppelin"])


def test_the_oldest_boosting_is_served_too() -> None:
    base = with_estimator(HistGradientBoostingClassifier(max_iter=2))
    frame = base.frame.fillna({"pressure": 1013.0})
    model = Steps([("columns", base.model[0]), ("estimator", GradientBoostingClassifier(n_estimators=5))])
    model.fit(frame, (frame["weight"] > 0).astype(int))
    contract = write_contract("orders", "classification", FEATURES, frame, model)
    compiled = compile_model(model, contract, comparison_frame(contract, 500))
    assert compiled.format in ("onnx", "treelite")


def test_a_form_that_was_chosen_before_is_chosen_again_however_fast_the_others_are() -> None:
    trained = train()
    frame = comparison_frame(trained.contract, 50)
    forms = ("onnx", "treelite", "native")
    chosen = {form: compile_model(trained.model, trained.contract, frame, form=form).format for form in forms}
    assert chosen == {form: form for form in forms}
