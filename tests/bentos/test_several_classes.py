"""A model of several classes: compiled exactly, answered with the most probable class and all probabilities."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bentos.contract import Contract
from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.predictor import load
from bentos.settings import EndpointSettings
from jobs.data.request_log import RequestLog
from jobs.models.prediction import predict
from jobs.models.scorer import Scorer, packed
from jobs.packaging.bento import ModelFiles, write_service
from jobs.packaging.compile import columns_of, comparison_frame, compile_model, largest_difference
from jobs.packaging.explanation import explanation_of
from tests import small_models
from tests.bentos.conftest import Caller, unknown
from tests.conftest import wait_until
from tests.named_estimators import NAMED
from tests.small_models import CLASSES, Trained
from tidewheel.release.artifact import predictions_apart
from tidewheel.settings import Settings

PROBABILITIES = [f"probability_{name}" for name in CLASSES]


@pytest.mark.parametrize("estimator", NAMED)
def test_every_named_estimator_has_a_fast_exact_form(estimator: str) -> None:
    trained = small_models.train(estimator, "multiclass")
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 500))
    assert compiled.format in ("onnx", "treelite"), compiled.candidates
    served = load(compiled.format, compiled.content, 3)(columns_of(trained.frame, trained.contract))
    assert served.shape == (len(trained.frame), 3)
    assert largest_difference(served, predict(trained.model, trained.frame, "multiclass")) <= 1e-5


def test_a_model_with_another_number_of_classes_than_its_contract_is_refused() -> None:
    trained = small_models.train("hist_gradient_boosting", "multiclass")
    compiled = compile_model(trained.model, trained.contract, comparison_frame(trained.contract, 50))
    with pytest.raises(ValueError, match="the model gives 3 numbers for a row, expected 4, one for each class"):
        load(compiled.format, compiled.content, 4)(columns_of(trained.frame, trained.contract))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return small_models.train("hist_gradient_boosting", "multiclass")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Path:
    """What a Bento of the model holds."""
    made, model, contract = tmp_path_factory.mktemp("service"), trained.model, trained.contract
    frame = comparison_frame(contract, 100)
    compiled = compile_model(model, contract, frame)
    explanation = explanation_of(model, contract, frame, 1e-5)
    spec = small_models.pipeline(tmp_path_factory.mktemp("pipeline"))
    write_service(made, spec, "7", contract, ModelFiles(compiled.format, compiled.content, explanation))
    return made


@pytest.fixture(scope="module")
def served(folder: Path) -> LoadedModel:
    return LoadedModel.open(folder)


def caller_of(served: LoadedModel, settings: EndpointSettings) -> Caller:
    rows = [dict(golden.row) for golden in served.packaged.contract.golden_rows]
    return Caller(Endpoint(unknown, lambda: served, settings), rows)


def test_an_answer_is_the_class_and_the_probability_of_each_by_its_name(trained: Trained, served: LoadedModel) -> None:
    caller = caller_of(served, EndpointSettings())
    answer = caller.predict(caller.golden).json()
    for golden, said, by_class in zip(
        trained.contract.golden_rows, answer["predictions"], answer["probabilities"], strict=True
    ):
        assert list(by_class) == list(CLASSES)
        assert said == max(by_class, key=lambda name: by_class[name])
        assert isinstance(golden.prediction, tuple)
        assert predictions_apart([*by_class.values()], [*golden.prediction]) < 1e-5


def test_as_arrow_each_class_has_a_column(served: LoadedModel) -> None:
    caller = caller_of(served, EndpointSettings())
    content = json.dumps({"rows": caller.golden})
    answer = caller.send("POST", "/predict", content, accept="application/vnd.apache.arrow.stream")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.column_names == ["prediction", *PROBABILITIES]
    assert table.to_pylist()[0]["prediction"] in CLASSES


def test_the_log_has_what_was_answered_and_the_scores_are_of_the_class_that_was_predicted(
    served: LoadedModel, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    caller = caller_of(served, EndpointSettings(request_log=settings.request_log_folder / "orders"))
    answer = caller.predict(caller.golden, x_request_id="one").json()
    log, now = RequestLog(settings, "orders"), datetime.now(UTC)
    span = now - timedelta(days=1), now + timedelta(days=1)
    wait_until(lambda: len(log.between(*span)) == len(caller.golden), "the answers are logged", 30)
    logged = log.between(*span)
    assert logged["prediction"].tolist() == answer["predictions"]
    assert logged[PROBABILITIES].to_numpy().tolist() == [[*row.values()] for row in answer["probabilities"]]
    assert log.scores("7", *span) == [max(row.values()) for row in answer["probabilities"]]


def test_an_explanation_is_refused_with_the_reason_and_the_page_says_what_is_answered(served: LoadedModel) -> None:
    caller = caller_of(served, EndpointSettings())
    refused = caller.send("POST", "/predict?explain=true", json.dumps({"rows": caller.golden[:1]}))
    assert refused.status_code == 422
    assert "it predicts several classes, which are not explained yet" in refused.json()["error"]
    page = caller.send("GET", "/docs.json").json()
    assert "ClassAnswer" in page["components"]["schemas"]
    post = page["paths"]["/predict"]["post"]
    assert "a class (light, middle, heavy), beside the probability of each" in post["description"]
    example = post["responses"]["200"]["content"]["application/json"]["example"]
    assert example["probabilities"][0].keys() == set(CLASSES)


def test_batch_scoring_writes_what_the_endpoint_answers(trained: Trained, served: LoadedModel) -> None:
    contract: Contract = trained.contract
    scorer = Scorer(packed(trained.model), contract, "multiclass", "7", (), "", {}, "")
    rows = pa.RecordBatch.from_pandas(trained.frame, preserve_index=False)
    schema = pa.schema([*contract.outputs.fields, ("model_version", pa.string())])
    batch = scorer.score_batch(rows, schema)
    assert batch.schema.names == ["prediction", *PROBABILITIES, "model_version"]
    asked = trained.frame.astype(object).where(trained.frame.notna(), None).to_dict("records")
    online = served.answer(served.reader.from_rows(asked), "q")
    offline = np.column_stack([batch.column(name).to_numpy() for name in PROBABILITIES])
    assert largest_difference(online.predictions, offline) <= 1e-5
    sure = np.sort(offline, axis=1)[:, -1] - np.sort(offline, axis=1)[:, -2] > 1e-4
    said = np.array(online.outputs.chosen(online.predictions))
    assert (said[sure] == np.array(batch.column("prediction").to_pylist())[sure]).all()
