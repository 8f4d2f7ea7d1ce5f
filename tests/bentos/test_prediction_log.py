"""The prediction log: nothing is lost by a stop, a second by a kill, and never an answer."""

from __future__ import annotations

import resource
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pytest

from bentos.encoding import Columns
from bentos.loaded_model import LoadedModel
from bentos.prediction_log import MOST_WAITING_ROWS, PredictionLog
from bentos.request import CheckedRows
from bentos.request_head import RequestHead
from bentos.tables import TableReader
from jobs.data.request_log import RequestLog
from tests.bentos.conftest import logged
from tests.bentos.service_process import Service, serving
from tests.conftest import wait_until
from tidewheel.release.artifact import Artifact
from tidewheel.settings import Settings


def call(request_id: str) -> RequestHead:
    return RequestHead("POST", {}, request_id)


def put(log: PredictionLog, served: LoadedModel, request_id: str) -> None:
    """Log the answer to a golden row."""
    golden = served.packaged.contract.golden_rows[0]
    log.put(call(request_id), served.reader.from_rows([golden.row]), np.array([golden.prediction]))


@pytest.mark.slow
def test_a_stopped_service_has_logged_every_answer_as_it_was_given(
    artifact: Artifact, served: LoadedModel, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    environment = {
        "TIDEWHEEL_REQUEST_LOG": str(folder),
        "TIDEWHEEL_COLOUR": "green",
        "TIDEWHEEL_PLATFORM_TOKEN": "ours",
    }
    rows = [dict(golden.row) for golden in served.packaged.contract.golden_rows]
    with serving(artifact.path, tmp_path / "output", environment) as service:
        answers = {f"q{n}": service.predict(rows[: 1 + n % 3], x_request_id=f"q{n}").json() for n in range(40)}
        service.predict(rows, x_request_id="probe", x_tidewheel_probe="ours")
        service.predict([{"weight": "wrong"}])
        copied = service.predict([{**rows[0], "order_id": 17}], x_request_id="copy", x_tidewheel_copy="ours").json()
        pretended = {"a": {"x_tidewheel_probe": "1"}, "b": {"x_tidewheel_copy": "1"}, "c": {"host": "x-shadow"}}
        for request_id, headers in pretended.items():
            answers[request_id] = service.predict(rows[:1], x_request_id=request_id, **headers).json()
        assert service.stop() == -signal.SIGTERM
    entries = logged(settings)
    assert set(entries["request_id"]) == {*answers, "copy"}, "neither a release's own requests nor refused ones"
    for request_id, answer in answers.items():
        mine = entries[entries["request_id"] == request_id]
        assert mine["prediction"].tolist() == answer["predictions"]
        assert mine["row"].tolist() == list(range(len(mine)))
    assert set(entries["model_version"]) == {"7"}
    assert set(entries["colour"]) == {"green"}
    one = entries[entries["request_id"] == "copy"].iloc[0]
    assert (one["mirrored"], one["prediction"], one["key.order_id"]) == (True, copied["predictions"][0], "17")
    assert not entries[entries["request_id"] != "copy"]["mirrored"].any()
    for name, value in rows[0].items():
        assert one[f"features.{name}"] == value or (value is None and pd.isna(one[f"features.{name}"]))


@pytest.mark.slow
def test_a_killed_service_has_lost_its_last_buffer_at_most(
    artifact: Artifact, served: LoadedModel, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    with serving(artifact.path, tmp_path / "output", {"TIDEWHEEL_REQUEST_LOG": str(folder)}) as service:
        ask(service, served, "before", 20)
        wait_until(lambda: service.figure("tidewheel_logged_requests_total") == 20, "the buffer is written")
        files = {Path(mapped.path) for mapped in psutil.Process(service.process.pid).memory_maps()}
        assert not [file for file in files if "pandas" in file.parts], "it costs memory, and nobody needs it"
        ask(service, served, "after", 5)
        service.stop(signal.SIGKILL)
    entries = logged(settings)["request_id"]
    assert entries.str.startswith("before").sum() == 20
    assert entries.str.startswith("after").sum() <= 5


@pytest.mark.slow
def test_a_full_disk_stops_the_log_and_not_the_answers(
    artifact: Artifact, served: LoadedModel, settings: Settings, folder: Path, tmp_path: Path
) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000))

    with serving(artifact.path, tmp_path / "output", {"TIDEWHEEL_REQUEST_LOG": str(folder)}, small_files) as service:
        ask(service, served, "fits", 1)
        wait_until(lambda: service.figure("tidewheel_logged_requests_total") == 1, "it is written")
        assert service.predict([dict(served.packaged.contract.golden_rows[0].row)] * 1000).status_code == 200
        name = 'tidewheel_log_dropped_requests_total{reason="disk"}'
        wait_until(lambda: service.figure(name) > 0, "it is counted")
        ask(service, served, "still-answered", 50)
        assert service.stop() == -signal.SIGTERM
        assert service.output.read_text().count("the prediction log stops, the answers go on") == 1
    assert "fits0" in set(logged(settings)["request_id"]), "what was written before can be read"


def ask(service: Service, served: LoadedModel, name: str, count: int) -> None:
    for n in range(count):
        answer = service.predict([dict(served.packaged.contract.golden_rows[0].row)], x_request_id=f"{name}{n}")
        assert answer.status_code == 200


class Stuck:
    """A disk that does not answer until it is told to."""

    def __init__(self, log: PredictionLog) -> None:
        self.go_on = threading.Event()
        self.reached = threading.Event()
        self._write = log._writer.write
        log._writer.write = self.write  # type: ignore[method-assign]

    def write(self, begun: datetime, batch: Any) -> None:
        self.reached.set()
        self.go_on.wait(30)
        self._write(begun, batch)


def test_a_stuck_disk_costs_memory_up_to_a_bound_and_then_rows_that_are_counted(
    served: LoadedModel, settings: Settings, folder: Path
) -> None:
    log = PredictionLog(folder, served.packaged, "blue")
    disk = Stuck(log)
    put(log, served, "first")
    wait_until(disk.reached.is_set, "the disk is asked")
    rows, predictions = served.reader.from_rows([served.packaged.contract.golden_rows[0].row] * 500), np.zeros(500)
    for _ in range(2 * MOST_WAITING_ROWS // 500):
        log.put(call("large"), rows, predictions)
    assert log.written == 0, "nobody waited for the disk"
    assert log.dropped["queue"] == MOST_WAITING_ROWS // 500
    disk.go_on.set()
    log.close()
    assert log.written == 1 + MOST_WAITING_ROWS // 500
    assert len(logged(settings)) == 1 + MOST_WAITING_ROWS


def test_a_sample_is_the_same_in_both_colours(served: LoadedModel, folder: Path) -> None:
    part = replace(served.packaged, log_sample=0.3)
    blue, green = (PredictionLog(folder, part, colour) for colour in ("blue", "green"))
    ids = [f"request-{n}" for n in range(2000)]
    sampled = [blue.samples(request_id) for request_id in ids]
    assert sampled == [green.samples(request_id) for request_id in ids]
    assert np.mean(sampled) == pytest.approx(0.3, abs=0.05)
    for log in (blue, green):
        log.close()


def test_what_cannot_be_written_is_counted_and_does_not_end_the_log(
    served: LoadedModel, settings: Settings, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = PredictionLog(folder, served.packaged, "blue")
    bad = CheckedRows(served.reader.from_rows([served.packaged.contract.golden_rows[0].row]).columns, (["\ud800"],))
    log.put(call("bad"), bad, np.zeros(1))
    wait_until(lambda: log.dropped["failed"] == 1, "it is counted")
    put(log, served, "good")
    log.close()
    assert logged(settings)["request_id"].tolist() == ["good"]
    assert "1 request is not in the prediction log" in caplog.text


def test_a_log_over_midnight_has_each_day_in_its_own_files(
    served: LoadedModel, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PredictionLog(folder, served.packaged, "blue")
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    for n, moment in enumerate((midnight - timedelta(microseconds=1), midnight, midnight + timedelta(seconds=1))):
        monkeypatch.setattr("bentos.prediction_log.time.time", moment.timestamp)
        put(log, served, f"q{n}")
    monkeypatch.undo()
    log.close()
    reader = RequestLog(settings, "orders")
    assert reader.between(midnight - timedelta(days=1), midnight)["request_id"].tolist() == ["q0"]
    assert reader.between(midnight, midnight + timedelta(days=1))["request_id"].tolist() == ["q1", "q2"]
    assert [len(reader.segments(day)) for day in ("2026-03-01", "2026-03-02")] == [1, 1]


def test_requests_with_and_without_a_key_and_whole_tables_share_a_file(
    served: LoadedModel, settings: Settings, folder: Path
) -> None:
    log = PredictionLog(folder, served.packaged, "blue")
    row = served.packaged.contract.golden_rows[0].row
    table = pa.Table.from_pylist([{**row, "order_id": n} for n in range(3)])
    asked = {
        "plain": served.reader.from_rows([row]),
        "json": served.reader.from_rows([{**row, "order_id": 17}, {**row, "pressure": None}]),
        "table": TableReader(served.packaged).from_stream(stream_of(table)),
    }
    for request_id, rows in asked.items():
        log.put(call(request_id), rows, np.arange(len(rows)) / 2)
    log.close()
    entries = logged(settings)
    assert entries["request_id"].tolist() == ["plain", "json", "json", "table", "table", "table"]
    assert entries["row"].tolist() == [0, 0, 1, 0, 1, 2]
    assert entries["prediction"].tolist() == [0, 0, 0.5, 0, 0.5, 1]
    assert entries["key.order_id"].tolist() == [None, "17", None, "0", "1", "2"]
    assert entries["features.carrier"].tolist() == [row["carrier"]] * 6
    assert (
        entries["features.pressure"].isna().tolist()
        == [row["pressure"] is None] * 2 + [True] + [row["pressure"] is None] * 3
    )


def stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def test_a_model_without_numbers_is_logged_too(served: LoadedModel, settings: Settings, folder: Path) -> None:
    contract = served.packaged.contract
    contract = contract.model_copy(update={"columns": contract.categories})
    packaged = replace(served.packaged, contract=contract, key=())
    log = PredictionLog(folder, packaged, "blue")
    rows = CheckedRows(Columns(np.empty((2, 0)), tuple(["fast", None] for _ in contract.categories)), ())
    log.put(call("one"), rows, np.array([0.25, 0.75]))
    log.close()
    assert logged(settings)["prediction"].tolist() == [0.25, 0.75]
    assert logged(settings)["features.carrier"].tolist() == ["fast", None]
