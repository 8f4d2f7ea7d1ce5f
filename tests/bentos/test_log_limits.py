"""How much of the disk the prediction log takes: of one request, and of a day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bentos.encoding import Coded, Columns
from bentos.loaded_model import LoadedModel
from bentos.log_limits import MEGABYTE, LogLimits
from bentos.metrics import Metrics
from bentos.platform_token import share_of
from bentos.prediction_log import PredictionLog
from bentos.request import CheckedRows
from bentos.request_head import RequestHead
from bentos.settings import EndpointSettings
from tests.bentos.conftest import logged
from tests.conftest import wait_until
from tidewheel.settings import Settings


def long_texts(served: LoadedModel, count: int, letters: int, *, coded: bool) -> CheckedRows:
    """Rows whose categories are long, in few bytes where they are a dictionary."""
    texts = ["é" * (letters // 2)] * count
    shared: Any = Coded(np.zeros(count, np.intp), ("é" * (letters // 2),))
    packaged = served.packaged
    categories = tuple(shared if coded else texts for _ in packaged.contract.categories)
    return CheckedRows(
        Columns(np.ones((count, len(packaged.contract.numbers))), categories),
        tuple([None] * count for _ in packaged.key),
    )


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.arrows"))


@pytest.mark.parametrize("coded", [True, False])
def test_of_a_request_that_would_take_too_much_the_first_rows_are_logged_and_the_rest_is_counted(
    served: LoadedModel, settings: Settings, folder: Path, coded: bool
) -> None:
    log = PredictionLog(folder, served.packaged, "blue", LogLimits(request_bytes=MEGABYTE))
    for n in range(3):
        log.put(
            RequestHead("POST", {}, f"q{n}"), long_texts(served, 10_000, 1000, coded=coded), np.arange(10_000) / 1e4
        )
    log.close()
    assert 2 * MEGABYTE < written(folder) < 3.3 * MEGABYTE, "without a limit it would be 60"
    entries = logged(settings)
    assert entries.groupby("request_id")["row"].agg(["min", "nunique"]).to_dict() == {
        "min": {"q0": 0, "q1": 0, "q2": 0},
        "nunique": dict.fromkeys(("q0", "q1", "q2"), (10_000 * 3 - log.cut_rows) // 3),
    }
    assert log.cut_requests == log.written == 3
    page = Metrics(served, log).text().decode()
    assert "tidewheel_log_cut_requests_total 3.0" in page
    assert f"tidewheel_log_cut_rows_total {float(log.cut_rows)}" in page


def test_a_day_has_a_limit_that_outlives_the_process_and_is_the_colours_own(
    served: LoadedModel, settings: Settings, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = LogLimits(day_bytes=2 * MEGABYTE)
    rows, predictions = long_texts(served, 500, 900, coded=True), np.zeros(500)

    def send(colour: str, times: int) -> PredictionLog:
        log = PredictionLog(folder, served.packaged, colour, limits)
        for n in range(times):
            log.put(RequestHead("POST", {}, f"{colour}{n}"), rows, predictions)
            wait_until(lambda n=n: log.written + log.dropped["day"] == n + 1, "it is written or counted")  # type: ignore[misc]
        log.close()
        return log

    first = send("blue", 4)
    assert (first.written, first.dropped["day"]) == (2, 2)
    assert written(folder) < 2 * MEGABYTE
    assert caplog.text.count("has reached its 2 MiB; the answers go on") == 1
    assert send("blue", 1).dropped["day"] == 1
    assert send("green", 1).dropped["day"] == 0
    assert 'tidewheel_log_dropped_requests_total{reason="day"} 2.0' in Metrics(served, first).text().decode()


def test_files_that_nobody_takes_away_end_the_log_until_somebody_does_and_never_an_answer(
    served: LoadedModel,
    settings: Settings,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bentos.prediction_log.RETRY_SECONDS", 0.0)
    limits = LogLimits(segment_bytes=MEGABYTE, folder_bytes=2 * MEGABYTE)
    log = PredictionLog(folder, served.packaged, "blue", limits)
    rows, predictions = long_texts(served, 500, 900, coded=True), np.zeros(500)

    def send(times: int) -> None:
        for n in range(times):
            before = log.written + log.dropped["disk"]
            log.put(RequestHead("POST", {}, f"q{n}"), rows, predictions)
            wait_until(lambda before=before: log.written + log.dropped["disk"] > before, "it is written or counted")  # type: ignore[misc]

    send(6)
    assert log.dropped["disk"] > 2
    assert written(folder) < 2 * MEGABYTE
    assert caplog.text.count("the log's files may take 2 MiB, and none was taken away") == 1
    full = log.written
    for path in folder.glob("*/*.arrows"):
        path.unlink()
    send(1)
    assert log.written == full + 1
    assert "the prediction log goes on" in caplog.text
    log.close()


def test_the_limits_are_set_in_mebibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"TIDEWHEEL_ENDPOINT_LOG_REQUEST_MB": "3", "TIDEWHEEL_ENDPOINT_LOG_DAY_MB": "500"}
    assert EndpointSettings.from_environment(variables).log_limits == LogLimits(3 * MEGABYTE, 500 * MEGABYTE)
    variables = {"TIDEWHEEL_ENDPOINT_LOG_SEGMENT_MB": "1", "TIDEWHEEL_ENDPOINT_LOG_FOLDER_MB": "512"}
    limits = EndpointSettings.from_environment(variables).log_limits
    assert (limits.segment_bytes, limits.folder_bytes) == (MEGABYTE, 512 * MEGABYTE)
    for wrong in ("0", "-1", "many", "1.5"):
        with pytest.raises(ValueError, match=f"DAY_MB is '{wrong}': expected a whole number of MiB"):
            EndpointSettings.from_environment({"TIDEWHEEL_ENDPOINT_LOG_DAY_MB": wrong})


def test_no_caller_can_choose_an_id_that_the_sample_leaves_out(served: LoadedModel, folder: Path) -> None:
    sampled = replace(served.packaged, log_sample=0.5)
    ids = [f"q{n}" for n in range(400)]
    chosen = []
    for token in (b"", b"a" * 43, b"b" * 43):
        log = PredictionLog(folder, sampled, "blue", token=token)
        chosen.append({request_id for request_id in ids if log.samples(request_id)})
        log.close()
        assert 120 < len(chosen[-1]) < 280
    assert len(chosen[1] ^ chosen[2]) > 100, "which they are follows from what only the platform knows"
    assert share_of("q", b"a") == share_of("q", b"a")
