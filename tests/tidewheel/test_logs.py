"""One JSON object a line, whatever a record holds, and never a password."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.logs import JsonLines as ServiceLines
from infra.pod.logs import JsonLines as PodLines
from tests.log_lines import log_lines
from tidewheel.logs import FIELDS, JsonLines, TextLines, is_json, read_line, redacted

FORMATTERS = [JsonLines(), ServiceLines(pipeline="orders"), PodLines("orders")]


def record(message: object, *arguments: object, error: Exception | None = None, **fields: Any) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("tidewheel.x", logging.ERROR, __file__, 1, message, arguments, info)
    setattr(made, FIELDS, fields)
    return made


@pytest.mark.parametrize("formatter", FORMATTERS)
@settings(max_examples=25, deadline=None)
@given(message=st.text() | st.sampled_from(["a\nb\r\nc\u2028d\u2029e\x85f\x00g\x1b[0m", '{"level": "info"}', "\ud800"]))
def test_a_record_is_one_line_of_the_schema_whatever_its_message_holds(
    formatter: logging.Formatter, message: str
) -> None:
    text = formatter.format(record("%s", message))
    assert len(text.splitlines()) == 1
    (line,) = log_lines(text)
    assert (line["level"], line["logger"]) == ("error", "tidewheel.x")


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_an_exception_is_one_field(formatter: logging.Formatter) -> None:
    (line,) = log_lines(formatter.format(record("failed", error=ZeroDivisionError("never\ndivide"))))
    assert "never\ndivide" in line["exception"]


def test_a_librarys_arguments_that_do_not_fit_its_format_lose_no_record() -> None:
    (line,) = log_lines(JsonLines().format(record("%d rows", "many")))
    assert line["message"] == "%d rows ('many',)"


def test_fields_of_a_line_that_json_cannot_hold_are_text() -> None:
    (line,) = log_lines(JsonLines().format(record("x", milliseconds=1.5, upstream=ValueError("y"))))
    assert (line["milliseconds"], line["upstream"]) == (1.5, "y")
    assert '"path": "nan"' in JsonLines().format(record("x", path=float("nan")))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (
            "postgresql+psycopg2://me:p@ss:w0rd@host:5432/db is away",
            "postgresql+psycopg2://me:***@host:5432/db is away",
        ),
        ("https://ghp_token123@host/x", "https://***@host/x"),
        ("GET /x?api_key=abc123&day=1", "GET /x?api_key=***&day=1"),
        ("Authorization: Bearer eyJhbGciOi.x.y", "Authorization: Bearer ***"),
        ("curl -H 'x-api-key: abc' url", "curl -H 'x-api-key: ***' url"),
        ("{'secret': 'hush', 'endpoint_url': 'http://s3'}", "{'secret': '***', 'endpoint_url': 'http://s3'}"),
        ("AWS_SECRET_ACCESS_KEY=abc+/= there", "AWS_SECRET_ACCESS_KEY=*** there"),
    ],
)
def test_what_stands_where_a_secret_does_is_hidden(text: str, hidden: str) -> None:
    assert redacted(text) == hidden
    assert TextLines("%(message)s").format(record(text)) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "the token was read from /etc/tokens",
        "3 rows of key=a are missing",
        "http://127.0.0.1:5000/#/models: see user@example.com",
        "TIDEWHEEL_MLFLOW_PASSWORD is not set",
    ],
)
def test_an_ordinary_sentence_stays(text: str) -> None:
    assert redacted(text) == text


PROGRAM = """
import logging, os, threading, warnings
from tidewheel.logs import configure, describe
configure()
describe(pipeline="orders", run_id="night", partition="")
logging.getLogger("tidewheel.x").info("the password %s is known", os.environ["SHOP_PASSWORD"])
warnings.warn("old\\nways")
def fail():
    raise ValueError("in a thread")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
raise KeyError("at the end")
"""


def test_warnings_and_what_ends_a_process_are_lines_too() -> None:
    environment = {"TIDEWHEEL_LOG_FORMAT": "json", "SHOP_PASSWORD": "correct horse"}
    ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    first, warned, thread, last = log_lines(ran.stderr)
    assert first["message"] == "the password *** is known"
    assert (first["pipeline"], first["run_id"]) == ("orders", "night")
    assert "partition" not in first
    assert "old\nways" in warned["message"]
    assert "in a thread" in thread["exception"]
    assert (last["level"], "at the end" in last["exception"]) == ("critical", True)


def test_text_is_the_default_and_a_json_line_is_read_back() -> None:
    assert not is_json({})
    assert is_json({"TIDEWHEEL_LOG_FORMAT": "JSON"})
    line = read_line(JsonLines().format(record("7 rows")))
    assert line is not None
    assert line["message"] == "7 rows"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [read_line(text) for text in ("7 rows", "{7 rows}", "{}", "[]", '{"level": 1}')] == [None] * 5
