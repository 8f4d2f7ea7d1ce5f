"""What the endpoint answers: to right requests, to wrong ones, and to monitoring."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from bentos.content_encoding import LARGEST_BODY
from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.problems import RequestRefused
from bentos.request import Reader
from bentos.settings import EndpointSettings
from tests.bentos.conftest import Caller, unknown


def test_golden_rows_are_answered_as_offline(caller: Caller, served: LoadedModel) -> None:
    answer = caller.predict(caller.golden).json()
    offline = [golden.prediction for golden in served.packaged.contract.golden_rows]
    assert answer["predictions"] == pytest.approx(offline, abs=1e-6)
    assert (answer["model_version"], answer["colour"], answer["flags"]) == ("7", "none", [])


def test_a_request_keeps_its_id_and_one_without_gets_one(caller: Caller) -> None:
    answer = caller.predict(caller.golden[:1], x_request_id="abc-1.2")
    assert (answer.json()["request_id"], answer.headers["x-request-id"]) == ("abc-1.2", "abc-1.2")
    odd = caller.predict(caller.golden[:1], x_request_id="no spaces\twanted")
    assert len(odd.json()["request_id"]) == 32


def test_a_field_that_may_be_missing_may_be_left_out(caller: Caller) -> None:
    row = {name: value for name, value in caller.golden[0].items() if name not in ("pressure", "origin")}
    without = caller.predict([row]).json()
    nulls = caller.predict([{**row, "pressure": None, "origin": None}]).json()
    assert without["predictions"] == nulls["predictions"]


def test_values_unlike_any_in_training_are_answered_and_flagged(caller: Caller) -> None:
    rows = [caller.golden[0], {**caller.golden[1], "distance": -5, "carrier": "zeppelin"}]
    answer = caller.predict(rows).json()
    assert len(answer["predictions"]) == 2
    assert [(flag["row"], flag["field"], flag["found"]) for flag in answer["flags"]] == [
        (1, "distance", -5),
        (1, "carrier", "zeppelin"),
    ]
    assert answer["flags"][0]["expected"].startswith("between ")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"weight": "heavy"}, 'row 1, field weight: found "heavy", expected a number'),
    ({"weight": "1.5"}, 'row 1, field weight: found "1.5", expected a number'),
    ({"weight": True}, "row 1, field weight: found true, expected a number"),
    ({"weight": None}, "row 1, field weight: found null, expected a number"),
    ({"pressure": []}, "row 1, field pressure: found [], expected a number or null"),
    ({"carrier": 3}, "row 1, field carrier: found 3, expected text"),
    ({"carrier": "x" * 2000}, "row 1, field carrier: found"),
    ({"wieght": 1}, "row 1, field wieght: found 1, expected no such field; did you mean 'weight'?"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_a_wrong_value_is_named_with_row_field_and_what_was_expected(
    caller: Caller, change: dict[str, Any], sentence: str
) -> None:
    answer = caller.predict([caller.golden[0], {**caller.golden[1], **change}])
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(sentence)
    assert answer.json()["details"][0]["row"] == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(caller: Caller, number: str) -> None:
    body = json.dumps({"rows": [{**caller.golden[0], "weight": 0}]}).replace('"weight": 0', f'"weight": {number}')
    answer = caller.send("POST", "/predict", body)
    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"] == "weight"


def test_all_problems_are_counted_and_the_first_twenty_named(caller: Caller) -> None:
    answer = caller.predict([{}] * 50).json()
    assert len(answer["details"]) == 20
    assert answer["error"] == "row 0, field weight: found nothing, expected a number (and 149 more)"


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ("", 400, 'the body is empty: expected an object {"rows": [{...}, ...]}'),
        ('{"rows": [', 400, "the body is not JSON: "),
        ("\ud800".encode("utf-8", "surrogatepass"), 400, "the body is not JSON: "),
        ("[]", 422, 'the body: found [], expected an object {"rows": [{...}, ...]}'),
        ("null", 422, 'the body: found null, expected an object {"rows": [{...}, ...]}'),
        ('"x"', 422, 'the body: found "x", expected an object {"rows": [{...}, ...]}'),
        ('{"row": 1}', 422, 'the body: found {"row":1}, expected an object {"rows": [{...}, ...]}: the name "rows" is'),
        ("{}", 422, 'the body: found {}, expected an object {"rows": [{...}, ...]}: the name "rows" is missing'),
        ('{"weight": 1}', 422, "the body: found a row by itself, expected an object"),
        ('{"rows": {}}', 422, 'the body: found {"rows":{}}, expected an object {"rows": [{...}, ...]}: under "rows" a'),
        ('{"rows": null}', 422, 'the body: found {"rows":null}, expected an object'),
        (
            '{"rows": []}',
            422,
            'the body: found an empty list of rows, expected at least one row, such as {"rows":[{"weig',
        ),
        ('{"rows": [[]]}', 422, "row 0: found [], expected an object with the model's fields"),
        ('{"rows": [1]}', 422, "row 0: found 1, expected an object with the model's fields"),
        ('{"rows": [{}], "more": 1}', 422, "row 0, field weight"),
    ],
)
def test_a_body_that_is_no_request_is_refused(caller: Caller, body: str | bytes, status: int, sentence: str) -> None:
    answer = caller.send("POST", "/predict", body)
    assert (answer.status_code, answer.json()["error"].startswith(sentence)) == (status, True), answer.text
    if '"more"' not in str(body):
        assert len(answer.json()["details"]) == 1, "one problem is reported once"


def test_too_many_rows_or_bytes_are_refused_before_they_cost_anything(caller: Caller) -> None:
    rows = caller.predict([caller.golden[0]] * 1001)
    assert (rows.status_code, rows.json()["error"]) == (
        413,
        "more than 1000 rows in one request; send them in several",
    )
    size = caller.send("POST", "/predict", b" " * (LARGEST_BODY + 1))
    assert (size.status_code, size.json()["error"]) == (
        413,
        "the body is larger than 32 MiB; send its rows in several",
    )


def test_a_limit_of_one_row_is_named_in_the_singular(served: LoadedModel) -> None:
    limited = replace(served.packaged, maximum_rows=1)
    with pytest.raises(RequestRefused, match=r"^more than 1 row in one request; send them in several$"):
        Reader(limited).from_rows([golden.row for golden in limited.contract.golden_rows[:2]])


def test_other_methods_and_content_types_are_refused_with_the_right_ones(caller: Caller) -> None:
    get = caller.send("GET", "/predict")
    assert (get.status_code, get.headers["allow"]) == (405, "POST")
    text = caller.send("POST", "/predict", b"weight,1", content_type="text/csv")
    assert text.status_code == 415
    assert text.json()["error"].startswith("content type 'text/csv': expected one of application/json, application/")
    assert [detail["found"] for detail in text.json()["details"]] == ["text/csv"]


def test_a_gzip_body_is_answered_like_any_other(caller: Caller) -> None:
    for rows in (caller.golden[:1], caller.golden[:1] * 900):
        body = json.dumps({"rows": rows}).encode()
        for packed in (gzip.compress(body), gzip.compress(body[:50]) + gzip.compress(body[50:])):
            answer = caller.send("POST", "/predict", packed, content_encoding="gzip", x_request_id="q")
            assert answer.json() == caller.predict(rows, x_request_id="q").json()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{}", "incorrect header check"),
        (gzip.compress(b"{}", mtime=0)[:-5], "it ends before its end"),
        (b"", "it ends before"),
    ],
)
def test_what_is_no_gzip_although_it_says_so_is_refused(caller: Caller, content: bytes, why: str) -> None:
    answer = caller.send("POST", "/predict", content, content_encoding="gzip")
    assert answer.status_code == 400
    assert why in answer.json()["error"]


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x" * 5000])
def test_another_content_encoding_is_a_415_that_names_it_and_what_is_accepted(caller: Caller, encoding: str) -> None:
    answer = caller.send("POST", "/predict", b"{}", content_encoding=encoding)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
    assert answer.json()["error"].startswith(f"content encoding '{encoding[:70]}")
    assert len(answer.text) < 1000


@pytest.mark.parametrize("path", ["/predict/", "/predict//"])
def test_a_slash_at_the_end_changes_nothing(caller: Caller, path: str) -> None:
    body = json.dumps({"rows": caller.golden[:1]})
    assert caller.send("POST", path, body, host="evil.example").status_code == 200


def test_many_rows_are_answered_like_single_ones(caller: Caller) -> None:
    rows = [caller.golden[n % len(caller.golden)] for n in range(1000)]
    many = caller.predict(rows).json()["predictions"]
    assert many[:3] == [caller.predict([row]).json()["predictions"][0] for row in rows[:3]]
    assert len(many) == 1000


def test_the_metrics_have_no_label_that_a_caller_can_invent(caller: Caller) -> None:
    caller.predict(caller.golden, x_request_id="invented")
    caller.predict([{}], x_request_id="invented")
    page = caller.send("GET", "/metrics").text
    assert 'tidewheel_requests_total{model_version="7",status="200"}' in page
    assert 'tidewheel_requests_total{model_version="7",status="422"}' in page
    assert 'tidewheel_request_seconds_bucket{le="0.001",model_version="7"}' in page
    assert 'tidewheel_service_info{colour="none",format="onnx",model_version="7",pipeline="orders"} 1.0' in page
    assert "invented" not in page


def test_the_documentation_has_an_example_that_is_answered(caller: Caller) -> None:
    document = caller.send("GET", "/docs.json").json()
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert caller.predict(content["example"]["rows"]).status_code == 200
    assert document["servers"] == [{"url": "."}], "relative, so that it is right below any prefix"
    fields = document["components"]["schemas"]["Row"]
    assert fields["required"] == ["weight", "distance", "carrier"]
    assert fields["additionalProperties"] is False
    page = caller.send("GET", "/").text
    assert "://" not in page, "the page loads nothing from elsewhere"


def test_a_model_that_fails_answers_500_with_the_request_id(
    served: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(columns: object) -> Any:
        raise ZeroDivisionError

    failing = replace(served, predictor=broken)
    caller = Caller(Endpoint(unknown, lambda: failing, EndpointSettings()), [])
    answer = caller.predict([dict(served.packaged.contract.golden_rows[0].row)], x_request_id="q1")
    assert (answer.status_code, answer.json()["request_id"]) == (500, "q1")
    assert "request q1 failed" in caplog.text


def test_everything_else_is_bentomls(caller: Caller) -> None:
    assert caller.send("GET", "/readyz").text == "BentoML's"
