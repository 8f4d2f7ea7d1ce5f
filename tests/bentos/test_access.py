"""Who is let in, what is printed, and what is traced."""

from __future__ import annotations

import json
import logging
import socket
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.logs import JsonLines
from bentos.settings import EndpointSettings
from tests.bentos.conftest import Caller, unknown
from tests.bentos.service_process import serving
from tests.log_lines import log_lines
from tests.otlp_receiver import receiving
from tidewheel.release.artifact import Artifact


def caller_of(served: LoadedModel, **settings: Any) -> Caller:
    endpoint = Endpoint(unknown, lambda: served, EndpointSettings(**settings))
    return Caller(endpoint, [dict(golden.row) for golden in served.packaged.contract.golden_rows])


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic right", "Bearer", "right", "Bearer right wrong"])
def test_without_a_right_token_nobody_is_answered(served: LoadedModel, header: str | None) -> None:
    caller = caller_of(served, tokens=(b"right", b"older"))
    headers = {} if header is None else {"authorization": header}
    answer = caller.predict(caller.golden[:1], **headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["error"] == "this endpoint wants a token: send the header 'Authorization: Bearer <token>'"
    assert caller.send("GET", "/docs.json", **headers).status_code == 401, "a contract says what a model was trained on"
    assert caller.send("GET", "/schema.json", **headers).status_code == 401


@pytest.mark.parametrize("token", ["right", "older"])
def test_every_known_token_lets_in(served: LoadedModel, token: str) -> None:
    caller = caller_of(served, tokens=(b"right", b"older"))
    assert caller.predict(caller.golden[:1], authorization=f"bearer {token}").status_code == 200


def test_whoever_watches_needs_no_token(served: LoadedModel) -> None:
    caller = caller_of(served, tokens=(b"right",))
    assert caller.send("GET", "/metrics").status_code == 200
    assert caller.send("GET", "/readyz").text == "BentoML's"
    caller.predict(caller.golden[:1])
    assert 'tidewheel_requests_total{model_version="7",status="401"} 1.0' in caller.send("GET", "/metrics").text


def test_tokens_come_from_a_variable_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text("new\n\nold\n")
    environment = {"TIDEWHEEL_ENDPOINT_TOKEN": "one", "TIDEWHEEL_ENDPOINT_TOKEN_FILE": str(path)}
    settings = EndpointSettings.from_environment(environment)
    assert settings.tokens == (b"one", b"new", b"old")
    assert "new" not in repr(settings)
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no token; expected one a line"):
        EndpointSettings.from_environment({"TIDEWHEEL_ENDPOINT_TOKEN_FILE": str(path)})
    assert EndpointSettings.from_environment({}) == EndpointSettings()


def test_a_log_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'loud': expected one of debug, info, warning, error"):
        EndpointSettings.from_environment({"TIDEWHEEL_ENDPOINT_LOG_LEVEL": "loud"})


def test_an_error_is_one_line_of_json_with_its_request(served: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    def broken(columns: object) -> Any:
        raise ZeroDivisionError("never divide")

    failing = replace(served, predictor=broken)
    caller = caller_of(failing)
    assert caller.predict(caller.golden[:1], x_request_id="q1").status_code == 500
    line = json.loads(JsonLines().format(caplog.records[-1]))
    assert (line["level"], line["request_id"]) == ("error", "q1")
    assert "never divide" in line["exception"]


def test_one_line_a_request_where_the_level_says_so(served: LoadedModel, caplog: pytest.LogCaptureFixture) -> None:
    caller = caller_of(served)
    caller.predict(caller.golden[:1], x_request_id="quiet")
    with caplog.at_level(logging.DEBUG, "tidewheel.endpoint"):
        caller.predict(caller.golden[:2], x_request_id="told")
        caller.predict([{}], x_request_id="refused")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "tidewheel.endpoint"]
    assert [(line["request_id"], line["status"], line["rows"]) for line in lines] == [
        ("told", 200, 2),
        ("refused", 422, 0),
    ]
    assert lines[0]["milliseconds"] > 0


@pytest.mark.slow
def test_spans_are_sent_where_otlp_says_below_the_callers_span(
    artifact: Artifact, served: LoadedModel, tmp_path: Path
) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    row = dict(served.packaged.contract.golden_rows[0].row)
    with receiving() as receiver:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "TIDEWHEEL_COLOUR": "green",
            "TIDEWHEEL_ENDPOINT_LOG_LEVEL": "debug",
            "TIDEWHEEL_ENDPOINT_TOKEN": "hidden-token",
        }
        with serving(artifact.path, tmp_path / "output", environment) as service:
            service.client.headers["authorization"] = "Bearer hidden-token"
            service.predict([row, row], traceparent=f"00-{trace}-{parent}-01", x_request_id="traced")
            service.predict([row], traceparent=f"00-{trace}-{parent}-00", x_request_id="unsampled")
            service.predict([{}])
            service.stop()
    resource = receiver.requests[0].resource_spans[0].resource
    told = {a.key: a.value.string_value for a in resource.attributes}
    assert (told["service.name"], told["service.version"], told["tidewheel.colour"]) == ("orders", "7", "green")
    first, refused = receiver.spans
    assert {first.name, refused.name} == {"POST /predict"}
    assert (first.trace_id, first.parent_id) == (trace, parent)
    assert first.attributes == {
        "http.request.method": "POST",
        "url.path": "/predict",
        "http.response.status_code": 200,
        "tidewheel.model_version": "7",
        "tidewheel.request_id": "traced",
        "tidewheel.rows": 2,
    }  # and no value of a row
    assert refused.attributes["http.response.status_code"] == 422
    lines = {line.get("request_id"): line for line in log_lines(service.output.read_text())}
    assert (lines["traced"]["trace_id"], lines["traced"]["span_id"]) == (trace, first.span_id)
    assert (lines["traced"]["pipeline"], lines["traced"]["model_version"]) == ("orders", "7")
    assert "trace_id" not in lines["unsampled"]
    assert "hidden-token" not in service.output.read_text()


@pytest.mark.slow
def test_a_collector_that_never_answers_slows_no_request_and_not_the_end(artifact: Artifact, tmp_path: Path) -> None:
    row = artifact.golden_rows()[0].row
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "OTEL_BSP_MAX_QUEUE_SIZE": "64",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32",
        }
        with serving(artifact.path, tmp_path / "output", environment) as service:
            seconds = []
            for _ in range(300):  # more than the queue takes
                began = time.monotonic()
                assert service.predict([row]).status_code == 200
                seconds.append(time.monotonic() - began)
            began = time.monotonic()
            service.stop()  # 28 s before there was a limit
            ended = time.monotonic() - began
    assert statistics.median(seconds) < 0.2
    assert max(seconds) < 5
    assert ended < 15
    assert "the last spans were not sent" in service.output.read_text()
