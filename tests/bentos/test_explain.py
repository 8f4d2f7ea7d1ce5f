"""`POST /predict?explain=true`: what each field adds, within the limits and refusals of any other request."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bentos.endpoint import Endpoint
from bentos.explainer import NOTHING, pack
from bentos.loaded_model import LoadedModel
from bentos.packaged import EXPLANATION
from bentos.settings import EndpointSettings
from jobs.data.request_log import RequestLog
from tests.bentos.conftest import Caller, unknown
from tests.conftest import wait_until
from tidewheel.settings import Settings

EXPLAINED = "/predict?explain=true"
ARROW = "application/vnd.apache.arrow.stream"


def body(rows: list[dict[str, object]]) -> str:
    return json.dumps({"rows": rows})


def test_each_field_of_each_row_has_a_contribution_and_they_add_up_to_the_prediction(caller: Caller) -> None:
    answer = caller.send("POST", EXPLAINED, body(caller.golden)).json()
    explanation = answer.pop("explanation")
    assert answer == caller.predict(caller.golden, x_request_id=answer["request_id"]).json()
    assert explanation["unit"] == "log_odds"
    for row, prediction in zip(explanation["contributions"], answer["predictions"], strict=True):
        assert set(row) == set(caller.golden[0])
        assert prediction == pytest.approx(1 / (1 + math.exp(-explanation["base"] - sum(row.values()))), abs=1e-5)


@pytest.mark.parametrize("query", ["", "?", "?explain=false", "?explain=False", "?other=1"])
def test_an_answer_is_explained_only_where_the_query_says_so(caller: Caller, query: str) -> None:
    answer = caller.send("POST", f"/predict{query}", body(caller.golden[:1])).json()
    assert "explanation" not in answer
    assert "explanation" in caller.send("POST", "/predict/?explain=TRUE", body(caller.golden[:1])).json()


@pytest.mark.parametrize(
    "query",
    [
        *("explain=", "explain", "explain=1", "explain=yes", "explain=true&explain=false", "explain=%00%ff"),
        "explain=" + "x" * 9000,
    ],
)
def test_a_query_that_says_neither_is_refused_in_a_short_sentence(caller: Caller, query: str) -> None:
    answer = caller.send("POST", f"/predict?{query}", body(caller.golden[:1]))
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("explain in the query is '")
    assert answer.json()["details"][0]["expected"] == "true or false"
    assert len(answer.text) < 1000


def test_a_query_of_many_fields_is_refused(caller: Caller) -> None:
    answer = caller.send("POST", "/predict?" + "&".join(["a=1"] * 200), body(caller.golden[:1]))
    assert (answer.status_code, answer.json()["error"]) == (422, "the query has more than 100 fields")


def test_more_rows_than_can_be_explained_soon_are_refused_and_wrong_ones_as_ever(caller: Caller) -> None:
    many = caller.send("POST", EXPLAINED, body([caller.golden[0]] * 101))
    assert (many.status_code, many.json()["error"]) == (
        413,
        "101 rows to explain in one request, 100 at most; send them in several",
    )
    wrong = caller.send("POST", EXPLAINED, body([{**caller.golden[0], "weight": "heavy"}]))
    assert wrong.json()["error"] == 'row 0, field weight: found "heavy", expected a number'
    assert caller.send("POST", EXPLAINED, b"{").status_code == 400
    assert caller.send("GET", EXPLAINED).status_code == 405


def test_values_unlike_any_in_training_are_explained_too(caller: Caller) -> None:
    row = {**caller.golden[0], "carrier": "zeppelin", "pressure": None, "distance": 1e30}
    answer = caller.send("POST", EXPLAINED, body([row])).json()
    assert all(math.isfinite(value) for value in answer["explanation"]["contributions"][0].values())


def test_a_table_is_explained_in_columns(caller: Caller) -> None:
    kind = {"content_type": ARROW, "accept": ARROW}
    table = pa.Table.from_pylist(caller.golden)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    answer = caller.send("POST", EXPLAINED, sink.getvalue().to_pybytes(), **kind)
    table = pa.ipc.open_stream(answer.content).read_all()
    expected = caller.send("POST", EXPLAINED, body(caller.golden)).json()["explanation"]
    about = json.loads(table.schema.metadata[b"explanation"])
    assert about == {"unit": "log_odds", "base": expected["base"]}
    for field in caller.golden[0]:
        values = [row[field] for row in expected["contributions"]]
        assert table[f"contribution.{field}"].to_pylist() == pytest.approx(values)


def test_a_model_that_cannot_be_explained_answers_why_and_predicts_all_the_same(
    served: LoadedModel, tmp_path: Path
) -> None:
    (tmp_path / EXPLANATION).write_bytes(pack({**NOTHING, "reason": "KNeighborsClassifier is neither"}))
    caller = Caller(Endpoint(unknown, lambda: replace(served, folder=tmp_path), EndpointSettings()), [])
    rows = [dict(served.packaged.contract.golden_rows[0].row)]
    answer = caller.send("POST", EXPLAINED, body(rows))
    sentence = "this model's predictions cannot be explained: KNeighborsClassifier is neither"
    assert (answer.status_code, answer.json()["error"]) == (422, sentence)
    assert caller.predict(rows).status_code == 200
    described = caller.send("GET", "/docs.json").json()["paths"]["/predict"]["post"]["parameters"][0]
    assert described["description"] == "Not for this model: KNeighborsClassifier is neither."


def test_an_explained_request_is_logged_and_counted_as_any_other(served: LoadedModel, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    endpoint = Endpoint(unknown, lambda: served, EndpointSettings(request_log=settings.request_log_folder / "orders"))
    caller = Caller(endpoint, [dict(golden.row) for golden in served.packaged.contract.golden_rows])
    answer = caller.send("POST", EXPLAINED, body(caller.golden[:2]), x_request_id="q1").json()
    caller.send("POST", EXPLAINED, body([{}]))
    page = caller.send("GET", "/metrics").text
    assert 'tidewheel_explained_rows_total{model_version="7"} 2.0' in page
    assert 'tidewheel_requests_total{model_version="7",status="200"} 1.0' in page

    def written() -> bool:
        return "tidewheel_logged_requests_total 1.0" in caller.send("GET", "/metrics").text

    wait_until(written, "the request is in the log", 20)
    now = datetime.now(UTC)
    logged = RequestLog(settings, "orders").between(now - timedelta(days=1), now + timedelta(days=1))
    assert logged["prediction"].tolist() == answer["predictions"]
    assert set(logged["request_id"]) == {"q1"}


def test_the_documentation_tells_of_the_query_and_of_both_answers(caller: Caller) -> None:
    document = caller.send("GET", "/docs.json").json()
    predict = document["paths"]["/predict"]["post"]
    assert predict["parameters"][0]["name"] == "explain"
    assert "in log-odds; then at most 100 rows" in predict["parameters"][0]["description"]
    schema = predict["responses"]["200"]["content"]["application/json"]["schema"]
    assert [one["$ref"].rpartition("/")[2] for one in schema["anyOf"]] == ["Answer", "ExplainedAnswer"]
    assert "explanation" in document["components"]["schemas"]["ExplainedAnswer"]["required"]
