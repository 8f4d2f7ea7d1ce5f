"""Rows that come as Arrow or Parquet: answered as JSON is, and refused with the place that is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bentos.conftest import Caller

if TYPE_CHECKING:
    import httpx

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def golden(caller: Caller, rows: int = 50) -> pa.Table:
    return pa.Table.from_pylist([caller.golden[n % len(caller.golden)] for n in range(rows)])


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    column = values if isinstance(values, pa.Array) else pa.array(values)
    return table.set_column(table.column_names.index(name), name, column)


def dictionary_of(texts: pa.ChunkedArray, kind: pa.DataType, index: pa.DataType) -> pa.Array:
    """The same texts as a dictionary of another kind of text, or with another kind of index."""
    values = list(dict.fromkeys(texts.to_pylist()))
    codes = [values.index(text) for text in texts.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, index), pa.array(values, kind))


@pytest.mark.parametrize(("content_type", "encode"), [(ARROW, stream), (PARQUET, parquet)])
def test_a_table_is_answered_as_the_same_rows_in_json(
    caller: Caller, content_type: str, encode: Callable[[pa.Table], bytes]
) -> None:
    table = golden(caller)
    weights = table["weight"].to_pylist()
    weights[3] = 1e9
    carriers = table["carrier"].to_pylist()
    carriers[7] = "zeppelin"
    table = with_column(with_column(table, "weight", weights), "carrier", carriers)
    expected = caller.predict(table.to_pylist(), x_request_id="q").json()
    answer = caller.send("POST", "/predict", encode(table), content_type=content_type, x_request_id="q")
    assert answer.json() == expected
    assert [flag["row"] for flag in expected["flags"]] == [3, 7]


def test_the_answer_comes_as_arrow_where_the_caller_wants_it(caller: Caller) -> None:
    table = golden(caller)
    expected = caller.predict(table.to_pylist(), x_request_id="q").json()
    answer = caller.send("POST", "/predict", stream(table), content_type=ARROW, accept=ARROW, x_request_id="q")
    assert answer.headers["content-type"] == ARROW
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found["prediction"].to_pylist() == expected["predictions"]
    said = {name.decode(): value.decode() for name, value in found.schema.metadata.items()}
    assert json.loads(said.pop("flags")) == expected["flags"]
    assert said == {name: expected[name] for name in ("model_version", "colour", "request_id")}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: with_column(t, "carrier", t["carrier"].combine_chunks().dictionary_encode()),
        lambda t: with_column(t, "carrier", t["carrier"].cast(pa.large_string()).combine_chunks()),
        lambda t: with_column(t, "carrier", t["carrier"].cast(pa.string_view()).combine_chunks()),
        lambda t: with_column(t, "carrier", dictionary_of(t["carrier"], pa.large_string(), pa.uint64())),
        lambda t: t.append_column("order_id", pa.array(["a"] * t.num_rows, pa.string_view())),
        lambda t: t.append_column(
            "order_id", dictionary_of(pa.chunked_array([["a"] * t.num_rows]), pa.string(), pa.int8())
        ),
        lambda t: with_column(t, "distance", t["distance"].cast(pa.float64()).combine_chunks()),
        lambda t: with_column(t, "pressure", pa.nulls(t.num_rows)).drop_columns("origin"),
        lambda t: t.append_column("order_id", pa.array(range(t.num_rows))),
        lambda t: pa.concat_tables([t.slice(0, 20), t.slice(20)]),
    ],
)
def test_columns_may_come_in_any_type_that_holds_the_same(caller: Caller, change: Callable[[pa.Table], Any]) -> None:
    table = change(golden(caller))
    expected = caller.predict(table.to_pylist()).json()["predictions"]
    for content_type, encode in ((ARROW, stream), (PARQUET, parquet)):
        answer = caller.send("POST", "/predict", encode(table), content_type=content_type)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == expected


def test_a_dictionary_of_views_is_texts_too(caller: Caller) -> None:
    table = golden(caller)
    views = with_column(table, "carrier", dictionary_of(table["carrier"], pa.string_view(), pa.int8()))
    answer = caller.send("POST", "/predict", stream(views), content_type=ARROW)
    assert answer.json()["predictions"] == caller.predict(table.to_pylist()).json()["predictions"]


WRONG: list[tuple[Callable[[pa.Table], pa.Table], str]] = [
    (
        lambda t: with_column(t, "weight", ["heavy"] * t.num_rows),
        "field weight: found a column of string, expected a number",
    ),
    (
        lambda t: with_column(t, "weight", [True] * t.num_rows),
        "field weight: found a column of bool, expected a number",
    ),
    (
        lambda t: with_column(t, "carrier", range(t.num_rows)),
        "field carrier: found a column of int64, expected text",
    ),
    (lambda t: t.drop_columns("weight"), "field weight: found no such column, expected a number"),
    (
        lambda t: t.append_column("wieght", t["weight"]),
        "field wieght: found a column, expected no such column; did you mean 'weight'?",
    ),
    (
        lambda t: t.append_column("weight", t["weight"]),
        "field weight: found the column twice, expected a column once (and 1 more)",
    ),
    (
        lambda t: with_column(t, "weight", [1.0, None, None, *[2.0] * (t.num_rows - 3)]),
        "row 1, field weight: found null, expected a number",
    ),
    (
        lambda t: with_column(t, "pressure", [1.0, 2.0, float("nan"), *[None] * (t.num_rows - 3)]),
        "row 2, field pressure: found NaN, expected a number or null; a missing one is null",
    ),
    (
        lambda t: with_column(t, "carrier", ["fast", "x" * 2000, *["fast"] * (t.num_rows - 2)]),
        'row 1, field carrier: found "xxx',
    ),
    (lambda t: t.slice(0, 0), "the body: found no rows, expected at least one"),
    (
        lambda t: with_column(
            t, "carrier", pa.DictionaryArray.from_arrays(pa.nulls(t.num_rows, pa.uint8()), pa.array(["fast"]))
        ),
        "row 0, field carrier: found null, expected text",
    ),
    *(
        (
            lambda t, kind=kind: with_column(t, "carrier", pa.nulls(t.num_rows, kind)),
            f"field carrier: found a column of {name}, expected text",
        )
        for kind, name in (
            (pa.list_(pa.string()), "list"),
            (pa.struct([("a", pa.string())] * 1), "struct"),
            (pa.map_(pa.string(), pa.string()), "map"),
            (pa.run_end_encoded(pa.int32(), pa.string()), "runendencoded"),
            (pa.binary(), "binary"),
            (pa.binary_view(), "binary_view"),
            (pa.dictionary(pa.int8(), pa.int64()), "dictionary"),
            (pa.decimal128(5), "decimal128"),
            (pa.uuid(), "uuid"),
        )
    ),
    (
        lambda t: t.append_column("order_id", pa.array([0.5] * t.num_rows)),
        "field order_id: found a column of double, expected a whole number or text or null",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_a_wrong_table_is_refused_with_the_place(
    caller: Caller, change: Callable[[pa.Table], pa.Table], sentence: str
) -> None:
    answer = caller.send("POST", "/predict", stream(change(golden(caller))), content_type=ARROW)
    assert (answer.status_code, answer.json()["error"].startswith(sentence)) == (422, True), answer.text


def test_too_many_rows_are_refused_in_every_form(caller: Caller) -> None:
    table = golden(caller, 1001)
    batches = pa.Table.from_batches(table.to_batches(max_chunksize=100))
    for content_type, body in ((ARROW, stream(table)), (ARROW, stream(batches)), (PARQUET, parquet(table))):
        answer = caller.send("POST", "/predict", body, content_type=content_type)
        assert (answer.status_code, answer.json()["error"]) == (
            413,
            "more than 1000 rows in one request; send them in several",
        )


def test_a_compressed_stream_is_refused(caller: Caller) -> None:
    compressed = stream(golden(caller), compression="zstd")
    answer = caller.send("POST", "/predict", compressed, content_type=ARROW)
    assert (answer.status_code, answer.json()["error"]) == (
        422,
        "the Arrow stream is compressed: send it uncompressed, or as Parquet",
    )


@pytest.mark.parametrize("content_type", [ARROW, PARQUET])
@pytest.mark.parametrize("body", [b"", b"{}", b"PAR1", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00" * 500])
def test_a_body_of_another_kind_is_refused(caller: Caller, content_type: str, body: bytes) -> None:
    answer = caller.send("POST", "/predict", body, content_type=content_type)
    assert (answer.status_code, answer.json()["error"].startswith("the body is not a")) == (400, True), answer.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from([ARROW, PARQUET]))
def test_a_damaged_table_never_breaks_the_service(caller: Caller, data: st.DataObject, content_type: str) -> None:
    body = bytearray((stream if content_type == ARROW else parquet)(golden(caller, 5)))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), max_size=5)):
        body[place] = value
    cut = data.draw(st.integers(0, len(body)))
    answer: httpx.Response = caller.send("POST", "/predict", bytes(body[:cut]), content_type=content_type)
    assert answer.status_code in (200, 400, 413, 422), answer.text
    if answer.status_code == 200:
        assert np.isfinite(answer.json()["predictions"]).all()
