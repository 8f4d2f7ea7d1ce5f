"""Every estimator a pipeline can name: it learns, repeats itself exactly, and takes what it has never seen."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from jobs.models.metrics import measure
from jobs.models.model_file import model_file, open_model, serialization
from jobs.models.prediction import Task, model_frame, predict
from jobs.training import estimators
from jobs.training.estimators import build_model, device_used, missing_gpu, settle_for_prediction
from jobs.training.fitting import FitRows, fit
from tests.named_estimators import NAMED
from tidewheel.errors import RegistryError, SpecError
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

FEATURES = Features(transform="a:b", numeric=["weight", "distance"], categorical=["carrier"])
SMALL = {
    "hist_gradient_boosting": {"max_iter": 20},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 20},
    "xgboost": {"n_estimators": 20},
    "tabular_net": {"epochs": 15, "hidden": [32], "batch_size": 64, "learning_rate": 0.005},
    "lightgbm": {"n_estimators": 20},
    "catboost": {"n_estimators": 20},
}


def parcels(rows: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows with missing values, and how late each was."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "weight": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "distance": rng.gamma(2, 100, rows),
            "carrier": rng.choice(["fast", "slow", None], rows),
        }
    )
    late = frame["weight"].fillna(0) + (frame["carrier"] == "slow") + rng.normal(0, 0.3, rows)
    return model_frame(frame, FEATURES), late.to_numpy()


def fitted(estimator: str, task: Task, seed: int = 3) -> object:
    training = Training(estimator=estimator, parameters=SMALL.get(estimator, {}), seed=seed)
    frame, late = parcels()
    truth = (late > 0.5).astype(float) if task == "classification" else late
    return settle_for_prediction(build_model(training, FEATURES, task).fit(frame, truth))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", NAMED)
def test_it_learns_and_the_same_data_give_the_same_model(estimator: str, task: Task) -> None:
    frame, late = parcels()
    truth = (late > 0.5).astype(float) if task == "classification" else late
    first, second = (predict(fitted(estimator, task), frame, task) for _ in range(2))
    assert np.array_equal(first, second)
    figures = measure(truth, first, task)
    assert figures["roc_auc" if task == "classification" else "r2"] > 0.75


@pytest.mark.parametrize("estimator", NAMED)
def test_an_unknown_or_missing_category_and_a_missing_number_get_an_answer(estimator: str) -> None:
    strange = pd.DataFrame({"weight": [np.nan, 1.0], "distance": [np.nan, 5.0], "carrier": ["never seen", None]})
    answers = predict(fitted(estimator, "classification"), model_frame(strange, FEATURES), "classification")
    assert ((answers > 0) & (answers < 1)).all()


@pytest.mark.parametrize("estimator", NAMED)
def test_what_is_read_back_from_the_registry_answers_as_before(estimator: str, tmp_path: Path) -> None:
    frame, _ = parcels()
    model = fitted(estimator, "classification")
    mlflow.sklearn.save_model(model, tmp_path / "model", pip_requirements=[], **serialization(estimator))
    back = open_model((tmp_path / "model" / model_file(estimator)).read_bytes(), estimator)
    assert predict(back, frame, "classification") == pytest.approx(predict(model, frame, "classification"), abs=1e-12)


def test_a_model_file_with_foreign_types_is_not_opened(tmp_path: Path) -> None:
    import skops.io

    model = fitted("logistic_regression", "classification")
    model.steps.append(("foreign", Foreign()))  # type: ignore[attr-defined]
    skops.io.dump(model, tmp_path / "model.skops")
    with pytest.raises(RegistryError, match=r"does not trust: .*Foreign"):
        open_model((tmp_path / "model.skops").read_bytes(), "logistic_regression")


@pytest.mark.parametrize("estimator", ["logistic_regression", ""])
def test_a_pickle_in_the_place_of_a_named_estimators_file_is_not_opened(estimator: str) -> None:
    with pytest.raises(RegistryError, match=r"is not a skops file"):
        open_model(pickle.dumps(Foreign()), estimator)


class Foreign:
    """A type that nobody has named."""


def a_model_of_ones_own(depth: int) -> object:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth)


def test_a_function_of_ones_own_is_called_with_the_parameters_and_seeded() -> None:
    reference = f"{__name__}:a_model_of_ones_own"
    model = build_model(Training(estimator=reference, parameters={"depth": 2}, seed=5), FEATURES, "classification")
    estimator = model[-1]
    assert (estimator.max_depth, estimator.random_state) == (2, 5)
    with pytest.raises(SpecError, match="parameters do not fit"):
        build_model(Training(estimator=reference, parameters={"width": 2}), FEATURES, "classification")


@pytest.mark.parametrize("estimator", NAMED)
def test_a_misspelt_parameter_is_an_error_not_a_default(estimator: str) -> None:
    with pytest.raises(SpecError, match="max_itr"):
        build_model(Training(estimator=estimator, parameters={"max_itr": 5}), FEATURES, "classification")


@pytest.mark.parametrize(
    ("estimator", "parameter", "said"),
    [
        ("catboost", {"iterations": 5}, "write n_estimators instead of iterations"),
        ("lightgbm", {"num_iterations": 5}, "write n_estimators instead of num_iterations"),
        ("lightgbm", {"min_data_in_leaf": 5}, "write min_child_samples instead of min_data_in_leaf"),
        ("lightgbm", {"max_bins": 5}, "write max_bin instead of max_bins"),
    ],
)
def test_a_parameter_has_one_name_so_that_a_search_can_set_it(
    estimator: str, parameter: dict[str, int], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        build_model(Training(estimator=estimator, parameters=parameter), FEATURES, "classification")


def test_a_parameter_of_lightgbms_core_is_taken() -> None:
    frame, late = parcels()
    training = Training(estimator="lightgbm", parameters={"max_bin": 4, "n_estimators": 5})
    model = build_model(training, FEATURES, "regression").fit(frame, late)
    assert len(np.unique(predict(model, frame, "regression"))) < len(frame) / 2


@pytest.mark.parametrize("estimator", ["lightgbm", "catboost"])
def test_a_library_that_is_not_installed_is_named_with_what_installs_it(
    estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, estimator, None)
    with pytest.raises(SpecError, match=rf"needs the package {estimator}, .*pip install 'tidewheel\[{estimator}\]'"):
        build_model(Training(estimator=estimator), FEATURES, "classification")


def test_what_xgboost_trained_on_is_asked_of_xgboost_itself() -> None:
    frame, late = parcels()
    training = Training(estimator="xgboost", parameters={"n_estimators": 2})
    model = build_model(training, FEATURES, "regression").fit(frame, late)
    assert device_used(model) in {"cpu", "cuda:0"}


@pytest.mark.parametrize(
    ("card", "built_for_cuda", "device"), [(True, True, "cuda"), (True, False, "cpu"), (False, True, "cpu")]
)
def test_xgboost_is_sent_to_a_gpu_where_machine_and_build_have_one_and_always_answers_on_the_cpu(
    card: bool, built_for_cuda: bool, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xgboost

    if card:
        (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(estimators, "DEVICES", tmp_path)
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": built_for_cuda})
    training = Training(estimator="xgboost", parameters={"n_estimators": 2})
    model = build_model(training, FEATURES, "classification")
    assert model[-1].device == device
    assert settle_for_prediction(model)[-1].device == "cpu"
    forced = training.model_copy(update={"parameters": {"n_estimators": 2, "device": "cpu"}})
    assert build_model(forced, FEATURES, "classification")[-1].device == "cpu"


@pytest.mark.parametrize(
    ("parameters", "built_for_cuda", "said"),
    [
        ({"device": "cpu"}, True, "training.parameters.device is 'cpu'; take it out"),
        ({}, False, "this XGBoost is built without CUDA; build the image of the jobs with --build-arg DEVICE=gpu"),
        ({}, True, "/dev has no nvidia device; give the pod one (device plugin, runtime class)"),
    ],
)
def test_a_fit_that_asked_for_a_gpu_and_had_none_says_why(
    parameters: dict[str, str], built_for_cuda: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xgboost

    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": built_for_cuda})
    training = Training(estimator="xgboost", parameters=parameters)
    words = missing_gpu(training, 1, "cpu")

    assert words == f"requested 1 GPU (resources.train.gpu), and was fitted on cpu: {said}"
    assert missing_gpu(training, 0, "cpu") == ""
    assert missing_gpu(training, 1, "cuda:0") == ""


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", NAMED)
def test_a_column_that_is_constant_or_that_no_row_has_teaches_nothing_and_breaks_nothing(
    estimator: str, task: Task
) -> None:
    frame, late = parcels()
    truth = (late > 0.5).astype(float) if task == "classification" else late
    odd = Features(transform="a:b", numeric=["weight", "distance", "always", "never"], categorical=["carrier", "none"])
    rows = model_frame(frame.assign(always=1.0, never=np.nan, none=None), odd)
    model = fit(Training(estimator=estimator, parameters=SMALL[estimator]), odd, task, FitRows(rows, truth)).model
    answers = predict(model, rows, task)
    assert measure(truth, answers, task)["roc_auc" if task == "classification" else "r2"] > 0.75
    assert np.array_equal(predict(model, rows.assign(never=5.0), task), answers) or estimator == "logistic_regression"
