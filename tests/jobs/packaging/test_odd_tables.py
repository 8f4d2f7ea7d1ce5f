"""Whatever training has seen, the service answers: each kind of odd column, each estimator, through the endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.request import Reader, RequestRefused
from bentos.settings import EndpointSettings
from jobs.models.contract import write_contract
from jobs.models.prediction import Task, model_frame
from jobs.packaging.acceptance import Accepted, check_requests
from jobs.packaging.bento import ModelFiles, write_service
from jobs.packaging.compile import comparison_frame, compile_model
from jobs.training.fitting import FitRows, fit
from tests import small_models
from tests.bentos.conftest import Caller, unknown
from tests.named_estimators import NAMED
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

ROWS = 400
SMALL: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 10},
    "random_forest": {"n_estimators": 5},
    "xgboost": {"n_estimators": 5},
    "tabular_net": {"epochs": 15, "hidden": [32], "batch_size": 64, "learning_rate": 0.005},
    "lightgbm": {"n_estimators": 5},
    "catboost": {"n_estimators": 5},
}
DRAW = np.random.default_rng(0)


def some(*values: Any) -> list[Any]:
    return [values[n] for n in DRAW.integers(0, len(values), ROWS)]


TEXTS: dict[str, list[Any]] = {
    "1,100 characters": some("x" * 1100, "y" * 1100, "short"),
    "10,000 characters": some("z" * 10_000, "short"),
    "never a value": [None] * ROWS,
    "never a value, as a float": [float("nan")] * ROWS,
    "one value": ["always"] * ROWS,
    "empty and blank": some("", " ", "\t", "full"),
    "like missing values": some("nan", "None", "NaN", "null", "<NA>", None),
    "control and emoji": some("a\0b", "💥é", "\n", '"', "\\", "\u202e", "Ω"),
    "truth values": some(True, False),
    "truth values with gaps": some(True, False, None),
    "whole numbers": some(1, 2, 30),
    "as many as rows": [f"category {n}" for n in range(ROWS)],
}
NUMBERS: dict[str, list[Any]] = {
    "never": [None] * ROWS,
    "constant": [7.0] * ROWS,
    "constant zero": [0] * ROWS,
    "truth": some(True, False),
    "beyond 2**53": some(2**53 + 1, 2**60 + 3, -(2**62)),
    "tiny": some(1e-300, -1e-300, 5e-324),
    "gaps": some(1.5, None, -2.0),
}
WIDE = {"as wide as numbers are": some(-1.7e308, 1.7e308, 0.0)}


def served(
    folder: Path, estimator: str, numbers: dict[str, Any], texts: dict[str, Any], task: Task, policy: str
) -> tuple[LoadedModel, Caller]:
    """A small table from training to an endpoint."""
    features = Features(transform="a:b", numeric=["weight", *numbers], categorical=["carrier", *texts])
    weight = DRAW.normal(size=ROWS)
    frame = model_frame(pd.DataFrame({"weight": weight, "carrier": some("a", "b"), **numbers, **texts}), features)
    frame.iloc[5] = [None if frame[name].isna().any() else frame[name].iloc[5] for name in frame]
    truth = (weight > 0).astype(float) if task == "classification" else 3 * weight
    training = Training(estimator=estimator, parameters=SMALL.get(estimator, {}))
    model = fit(training, features, task, FitRows(frame, truth)).model
    contract = write_contract("orders", task, features, frame, model)
    spec = small_models.pipeline(folder)
    serving = spec.serving.model_copy(update={"unknown_categories": policy})
    spec = spec.model_copy(update={"serving": serving, "training": training})
    check_requests(Accepted(spec, model, contract))
    compiled = compile_model(model, contract, comparison_frame(contract, 100))
    (folder / "service").mkdir()
    write_service(folder / "service", spec, "7", contract, ModelFiles(compiled.format, compiled.content))
    opened = LoadedModel.open(folder / "service")
    return opened, Caller(
        Endpoint(unknown, lambda: opened, EndpointSettings()), [dict(golden.row) for golden in contract.golden_rows]
    )


def answers_its_golden_rows(opened: LoadedModel, caller: Caller) -> None:
    right = [golden.prediction for golden in opened.packaged.contract.golden_rows]
    together = caller.predict(caller.golden)
    assert together.status_code == 200, together.text
    assert together.json()["predictions"] == pytest.approx(right, rel=1e-5, abs=1e-5)
    assert together.json()["flags"] == [], "nothing is unlike training"
    alone = [caller.predict([row]).json()["predictions"][0] for row in caller.golden]
    assert alone == pytest.approx(right, rel=1e-5, abs=1e-5)
    table = pa.table({name: [row[name] for row in caller.golden] for name in caller.golden[0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body = sink.getvalue().to_pybytes()
    answer = caller.send(
        "POST", "/predict", body, content_type="application/vnd.apache.arrow.stream", accept="application/json"
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == pytest.approx(right, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("policy", ["flag", "refuse"])
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("estimator", NAMED)
def test_every_estimator_answers_rows_of_every_odd_column(
    tmp_path: Path, estimator: str, task: Task, policy: str
) -> None:
    answers_its_golden_rows(*served(tmp_path, estimator, NUMBERS, TEXTS, task, policy))


@pytest.mark.parametrize("odd", [*TEXTS, *WIDE])
def test_each_odd_column_by_itself_is_answered(tmp_path: Path, odd: str) -> None:
    numbers = {odd: WIDE[odd]} if odd in WIDE else {}
    texts = {odd: TEXTS[odd]} if odd in TEXTS else {}
    answers_its_golden_rows(*served(tmp_path, "hist_gradient_boosting", numbers, texts, "classification", "refuse"))


def test_a_hundred_thousand_categories_are_answered(tmp_path: Path) -> None:
    rows = 100_000
    features = Features(transform="a:b", numeric=["weight"], categorical=["sku"])
    weight = np.random.default_rng(1).normal(size=rows)
    frame = model_frame(pd.DataFrame({"weight": weight, "sku": [f"sku-{n}" for n in range(rows)]}), features)
    training = Training(parameters={"max_iter": 5})
    model = fit(training, features, "classification", FitRows(frame, (weight > 0).astype(float))).model
    contract = write_contract("orders", "classification", features, frame, model)
    spec = small_models.pipeline(tmp_path)
    serving = spec.serving.model_copy(update={"unknown_categories": "refuse"})
    check_requests(Accepted(spec.model_copy(update={"serving": serving}), model, contract))
    compiled = compile_model(model, contract, comparison_frame(contract, 100))
    (tmp_path / "service").mkdir()
    write_service(tmp_path / "service", spec, "7", contract, ModelFiles(compiled.format, compiled.content))
    opened = LoadedModel.open(tmp_path / "service")
    rows_asked = opened.reader.from_rows([golden.row for golden in opened.packaged.contract.golden_rows])
    right = [golden.prediction for golden in opened.packaged.contract.golden_rows]
    assert opened.answer(rows_asked, "q").predictions.tolist() == pytest.approx(right, abs=1e-5)


def test_a_column_that_never_had_a_value_takes_null_alone_where_unknown_categories_are_refused(
    tmp_path: Path,
) -> None:
    texts = {"never a value": [None] * ROWS}
    opened, caller = served(tmp_path, "hist_gradient_boosting", {}, texts, "classification", "refuse")
    answer = caller.predict([{**caller.golden[0], "never a value": "new"}])
    assert answer.status_code == 422
    assert 'found "new", expected null, since training never saw a value' in answer.json()["error"]
    with pytest.raises(RequestRefused):
        Reader(opened.packaged).from_rows([{**caller.golden[0], "carrier": "zeppelin"}])
