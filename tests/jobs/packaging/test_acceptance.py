"""A team's own model is accepted only if its file answers where nothing of this process is at hand."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from jobs.models.contract import write_contract
from jobs.models.model_file import model_file, open_model, serialization
from jobs.models.portable import distributions_of, dump_model, team_code_by_value
from jobs.models.steadiness import golden_frame, unsteadiness
from jobs.packaging.acceptance import Accepted, check_file, check_requests
from jobs.training.estimators import build_model
from tests import small_models
from tests.jobs.models import own_models
from tests.small_models import FEATURES
from tidewheel.errors import ModelRefused
from tidewheel.spec.training import Training

REFERENCE = own_models.__name__


def accepted(tmp_path: Path, name: str, **parameters: Any) -> Accepted:
    """A fitted model of a team, with the pipeline that names it."""
    base = small_models.train()
    training = Training(estimator=f"{REFERENCE}:{name}", parameters=parameters)
    truth = (base.frame["weight"] > 0).astype(float)
    model = build_model(training, FEATURES, "classification").fit(base.frame, truth)
    contract = write_contract("orders", "classification", FEATURES, base.frame, model)
    spec = small_models.pipeline(tmp_path).model_copy(update={"training": training})
    return Accepted(spec, model, contract)


def written(tmp_path: Path, found: Accepted) -> bytes:
    """Content of the model's file, as `train` has MLflow write it."""
    with team_code_by_value():
        how = serialization(found.pipeline.training.estimator)
        mlflow.sklearn.save_model(found.model, tmp_path / "model", pip_requirements=[], **how)
    return (tmp_path / "model" / model_file(found.pipeline.training.estimator)).read_bytes()


@pytest.mark.parametrize(
    "name",
    ["with_everything_of_its_own", "with_a_local_class"],
)
def test_code_of_a_team_travels_inside_the_model_to_scoring_and_into_the_service(tmp_path: Path, name: str) -> None:
    found = accepted(tmp_path, name)
    check_requests(found)
    check_file(found, written(tmp_path, found))


@pytest.mark.parametrize("name", ["with_a_closure", "with_a_partial", "with_columns_by_name"])
def test_a_model_that_was_read_back_can_be_written_again(tmp_path: Path, name: str) -> None:
    found = accepted(tmp_path, name)
    back = open_model(written(tmp_path, found), found.pipeline.training.estimator)
    again = pickle.loads(dump_model(back))
    assert unsteadiness(again, golden_frame(found.contract), "classification", 1e-9) is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("with_a_lock", r"steps\[0\]\[1\]\.func, which uses lock: is a _thread\.lock, which cannot be written"),
        (
            "with_a_generator",
            r"steps\[0\]\[1\]\.numbers_ is .*a generator\), which cannot be written",
        ),
    ],
)
def test_what_cannot_be_written_is_named_with_the_way_to_it(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ModelRefused, match=sentence):
        dump_model(accepted(tmp_path, name).model)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("with_a_state_that_is_lost", "opened for scoring it fails: .*means_"),
        ("with_an_import_of_the_project", "opened in the packaged service it fails: .*no module named 'tests'"),
        ("with_a_file_on_disk", r"reads .*scale\.txt when it predicts, which no other machine has"),
    ],
)
def test_a_model_that_needs_more_than_its_file_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    scale = tmp_path / "scale.txt"
    scale.write_text("1.5")
    found = accepted(tmp_path, name, **({"path": str(scale)} if "file" in name else {}))
    with pytest.raises(ModelRefused, match=sentence):
        check_file(found, written(tmp_path, found))


def test_packages_that_a_model_needs_are_found_in_its_file(tmp_path: Path) -> None:
    needed = distributions_of(dump_model(accepted(tmp_path, "with_a_closure").model))
    assert {"numpy", "scikit-learn"} <= set(needed)
    assert "tidewheel" not in needed


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("with_ranks", "alone"),
        ("with_the_means_of_the_batch", "alone"),
        ("with_scales_of_the_batch", "alone"),
        ("with_the_row_before", "alone"),
        ("with_bins_of_the_batch", "alone"),
        ("with_a_coin", "again"),
    ],
)
def test_a_prediction_that_depends_on_more_than_its_row_is_found_and_named(tmp_path: Path, name: str, way: str) -> None:
    found = accepted(tmp_path, name)
    unsteady = unsteadiness(found.model, golden_frame(found.contract), "classification", 1e-5)
    assert unsteady is not None
    assert unsteady.way == way
    assert (
        "must be predicted the same" in str(unsteady)
        or "depend on the other rows" in str(unsteady)
        or way in str(unsteady)
    )


def test_rows_that_matter_only_in_large_company_are_found() -> None:
    base = small_models.train()

    class Crowded:
        def predict_proba(self, frame: Any) -> np.ndarray:
            return np.column_stack([np.ones(len(frame)), np.full(len(frame), 0.1 if len(frame) > 100 else 0.2)])

    golden = golden_frame(base.contract)
    assert unsteadiness(Crowded(), golden, "classification", 1e-5) is None  # type: ignore[arg-type]
    among = unsteadiness(Crowded(), golden, "classification", 1e-5, base.frame.head(200))  # type: ignore[arg-type]
    assert among is not None
    assert among.way == "among more rows"


@pytest.mark.parametrize(
    "estimator", ["hist_gradient_boosting", "logistic_regression", "random_forest", "xgboost", "lightgbm", "catboost"]
)
def test_every_named_estimator_is_steady(estimator: str) -> None:
    trained = small_models.train(estimator)
    golden = golden_frame(trained.contract)
    assert unsteadiness(trained.model, golden, "classification", 1e-5, trained.frame.head(300)) is None
