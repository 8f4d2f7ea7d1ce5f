"""Requests outside the contract are counting by its columns, and by nothing that a caller can invent."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bentos.contract_counts import MOST_COLUMNS, ContractCounts
from bentos.contract_kinds import OTHERS
from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.problems import problem, refusal
from bentos.request import Reader
from bentos.request_head import ARROW, PARQUET, RequestHead
from bentos.settings import EndpointSettings
from jobs.data.request_log import COUNTS, RequestLog
from tests.bentos.conftest import Caller, unknown
from tidewheel.settings import Settings

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def counting(served: LoadedModel, settings: Settings) -> Caller:
    """Asks an endpoint that writes its counts below the home of `settings`."""
    folder = settings.request_log_folder / "orders"
    endpoint = Endpoint(stopping, lambda: served, EndpointSettings(request_log=folder, platform_token=b"ours"))
    return Caller(endpoint, [dict(golden.row) for golden in served.packaged.contract.golden_rows])


async def stopping(scope: Any, receive: Any, send: Any) -> None:
    """Stands where BentoML's own application would, and has ended when the server says so."""
    await send({"type": "lifespan.shutdown.complete"})


async def nothing(*_: Any) -> None:
    """A server that has no more to say."""


def problems(caller: Caller) -> dict[tuple[str, str, str], float]:
    """What /metrics has of columns: by field, problem and outcome."""
    counts = {}
    for line in caller.send("GET", "/metrics").text.splitlines():
        if line.startswith("tidewheel_contract_problems_total{"):
            labels, value = line.removeprefix("tidewheel_contract_problems_total{").split("} ")
            named = dict(label.split("=", 1) for label in labels.split(","))
            field, kind, outcome = (named[name].strip('"') for name in ("field", "problem", "outcome"))
            counts[field, kind, outcome] = float(value)
    return counts


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"weight": "heavy"}, ("weight", "wrong_type", "refused")),
        ({"weight": None}, ("weight", "missing", "refused")),
        ({"carrier": 3}, ("carrier", "wrong_type", "refused")),
        ({"carrier": "x" * 2000}, ("carrier", "wrong_type", "refused")),
        ({"order_id": 1.5}, ("(key)", "wrong_type", "refused")),
        ({"somebody@example.com": 1}, ("", "unknown_field", "refused")),
        ({"distance": -5}, ("distance", "out_of_range", "answered")),
        ({"carrier": "zeppelin"}, ("carrier", "unknown_category", "answered")),
    ],
)
def test_a_value_is_counted_by_its_column_once_a_request(
    counting: Caller, change: dict[str, Any], counts: tuple[str, str, str]
) -> None:
    counting.predict([{**counting.golden[0], **change}] * 3)
    assert problems(counting) == {counts: 1}


def test_a_field_that_is_left_out_is_missing_in_any_form(counting: Caller) -> None:
    rows = [{name: value for name, value in counting.golden[0].items() if name != "weight"}]
    counting.predict(rows)
    table, file = pa.Table.from_pylist(rows), io.BytesIO()
    pq.write_table(table, file)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    counting.send("POST", "/predict", file.getvalue(), content_type=PARQUET.decode())
    counting.send("POST", "/predict", stream.getvalue().to_pybytes(), content_type=ARROW.decode())
    assert problems(counting) == {("weight", "missing", "refused"): 3}


def test_what_is_no_request_at_all_is_counted_without_a_column(counting: Caller) -> None:
    for body in ("", "[]", '{"rows": []}'):
        counting.send("POST", "/predict", body)
    counting.send("GET", "/predict")
    counting.send("POST", "/predict?explain=perhaps", '{"rows": []}')
    assert problems(counting) == {("", "body", "refused"): 3}, "neither a wrong method nor a wrong query is of a column"


def test_a_refused_category_is_an_unknown_one(served: LoadedModel) -> None:
    packaged = replace(served.packaged, refuse_unknown=True)
    strict = replace(served, packaged=packaged, reader=Reader(packaged))
    caller = Caller(Endpoint(unknown, lambda: strict, EndpointSettings()), [])
    caller.predict([{**served.packaged.contract.golden_rows[0].row, "carrier": "zeppelin"}])
    assert problems(caller) == {("carrier", "unknown_category", "refused"): 1}


def test_columns_beyond_a_hundred_are_counted_together(served: LoadedModel) -> None:
    [first, *_] = served.packaged.contract.columns
    columns = tuple(first.model_copy(update={"name": f"{n:04}{'x' * 100}"}) for n in range(10_000))
    contract = served.packaged.contract.model_copy(update={"columns": columns})
    counts = ContractCounts(replace(served.packaged, contract=contract), "blue")
    for column in columns:
        counts.refused(RequestHead("POST", {}, "id"), refusal([problem(0, column.name, "null", "a number")], 1))
    [family] = counts.collect()
    fields = {sample.labels["field"]: sample.value for sample in family.samples}
    assert len(fields) == MOST_COLUMNS + 1
    assert fields[OTHERS] == 10_000 - MOST_COLUMNS


def test_counts_are_published_beside_the_requests_and_leave_out_the_platforms_own(
    counting: Caller, settings: Settings
) -> None:
    golden = counting.golden
    counting.predict(golden[:2])
    counting.predict([{**golden[0], "distance": -5}, {**golden[1], "distance": -5, "carrier": "zeppelin"}])
    counting.predict([{**golden[0], "weight": "heavy", "pressure": "high"}])
    for header in ("x_tidewheel_probe", "x_tidewheel_copy"):
        counting.predict([{"weight": "heavy"}], **{header: "ours"})
    counting.endpoint._components.close()
    day = RequestLog(settings, "orders", COUNTS).day(TODAY)
    counts = {(r["field"], r["problem"], r["outcome"]): (r["requests"], r["rows"]) for r in day.rows.to_pylist()}
    assert counts == {
        ("", "", "answered"): (2, 4), ("", "any", "answered"): (1, 2), ("distance", "out_of_range", "answered"): (1, 2),
        ("carrier", "unknown_category", "answered"): (1, 1), ("", "", "refused"): (1, 0),
        ("weight", "wrong_type", "refused"): (1, 0), ("weight", "any", "refused"): (1, 0),
        ("pressure", "wrong_type", "refused"): (1, 0), ("pressure", "any", "refused"): (1, 0),
    }  # fmt: skip
    assert set(RequestLog(settings, "orders").day(TODAY).rows["prediction"].is_valid().to_pylist()) == {True}
