"""Bodies that cost a careless reader a multiple of what they cost their sender.

Each is for the model of `tests.small_models`: numbers weight, distance and pressure, texts carrier and origin.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Attack:
    """One body.

    Attributes:
        name: what is wrong with it.
        build: makes it.
        statuses: what it may be answered with.
        headers: sent with it besides its content type.
        expensive: to build, so that only the benchmark sends it.
    """

    name: str
    content_type: str
    build: Callable[[], bytes]
    statuses: frozenset[int]
    headers: dict[str, str] = field(default_factory=dict)
    expensive: bool = False


def table(rows: int, **columns: Any) -> pa.Table:
    """Good rows, with other columns in the place of some."""
    right: dict[str, Any] = {
        "weight": np.ones(rows),
        "distance": np.ones(rows),
        "pressure": np.ones(rows),
        "carrier": ["fast"] * rows,
        "origin": ["JFK"] * rows,
    }
    return pa.table(right | columns)


def stream(rows: pa.Table, batch_rows: int | None = None, **options: Any) -> bytes:
    """An Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows, batch_rows)
    return bytes(sink.getvalue())


def parquet(rows: pa.Table, forged: dict[int, int] | None = None, places: int = -1, **options: Any) -> bytes:
    """A Parquet file, in whose footer some numbers are replaced by others, in all places or the first few."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, **options)
    content = sink.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    pages, footer = content[: -8 - size], content[-8 - size : -8]
    for number, other in (forged or {}).items():
        right = varint(number)
        assert right in footer
        footer = footer.replace(right, varint(other, len(right)), places)
    return pages + footer + content[-8:]


def varint(number: int, size: int = 0) -> bytes:
    """A number as Thrift's compact protocol writes it, padded to a size."""
    left, parts = number << 1, list[int]()
    while left or not parts or len(parts) < size:
        parts.append(left & 0x7F)
        left >>= 7
    return bytes([*(part | 0x80 for part in parts[:-1]), parts[-1]])


def one_large_text(size: int, compression: str) -> bytes:
    """One row whose category has many bytes; the footer says that it is small."""
    written = parquet(table(1, carrier=["a" * size]), compression=compression, write_statistics=False)
    about = pq.read_metadata(io.BytesIO(written)).row_group(0)
    columns = [about.column(n).total_uncompressed_size for n in range(about.num_columns)]
    forged = dict.fromkeys([about.total_byte_size, max(columns)], 100)
    return parquet(table(1, carrier=["a" * size]), forged, compression=compression, write_statistics=False)


def shared_views(rows: int, size: int) -> bytes:
    """Texts that are all the same one, by their views."""
    text, view = b"a" * size, np.zeros(4, np.int32)
    view[0] = size
    view[1] = int.from_bytes(b"aaaa", "little")
    buffers = [None, pa.py_buffer(np.tile(view, rows).tobytes()), pa.py_buffer(text)]
    return stream(table(rows, carrier=pa.Array.from_buffers(pa.string_view(), rows, buffers)))


def growing_dictionaries(count: int) -> bytes:
    """Each batch adds a value of some size to the dictionary of the one before."""
    numbers = [(name, pa.float64()) for name in ("weight", "distance")]
    kind = pa.schema([*numbers, ("carrier", pa.dictionary(pa.int32(), pa.string()))])
    values = [f"{n:04}" + "a" * 8000 for n in range(count)]
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, kind, options=options) as writer:
        for n in range(1, count + 1):
            column = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(values[:n]))
            writer.write_batch(pa.record_batch([pa.array([1.0]), pa.array([1.0]), column], schema=kind))
    return bytes(sink.getvalue())


def many_batches(count: int) -> bytes:
    """Batches without rows."""
    empty = table(0).to_batches() or [pa.RecordBatch.from_pylist([], schema=table(1).schema)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table(1).schema) as writer:
        for _ in range(count):
            writer.write_batch(empty[0])
    return bytes(sink.getvalue())


def nested(depth: int) -> pa.DataType:
    """A list of lists of lists."""
    kind: pa.DataType = pa.int8()
    for _ in range(depth):
        kind = pa.list_(kind)
    return kind


def unknown_columns(count: int, letters: int = 20) -> pa.Table:
    """One row of columns that the model has not, with names that look like one of its own."""
    return pa.table({f"{'weight' * 3}{n:0{letters}}": [1] for n in range(count)})


def rows_of(row: str, size: int) -> bytes:
    """As many rows as there is room for."""
    return b'{"rows":[' + b",".join([row.encode()] * (size // (len(row) + 1))) + b"]}"


LARGE = 31 * MEGABYTE
REFUSED = frozenset({413, 422})
UNREADABLE = frozenset({400, 413, 422})
ROW = {"weight": 1.0, "distance": 1.0, "carrier": "fast"}

ATTACKS = (
    *(
        Attack(
            f"Parquet, one text of 250 MB, {codec}",
            PARQUET,
            functools.partial(one_large_text, 250 * 10**6, codec),
            REFUSED,
            expensive=codec != "zstd",
        )
        for codec in ("zstd", "gzip", "brotli", "snappy")
    ),
    Attack(
        "Parquet, 300,000 rows that call themselves one",
        PARQUET,
        lambda: parquet(table(300_000), {300_000: 1}, places=1),
        REFUSED,
    ),
    Attack(
        "Parquet, 300,000 rows in groups that call themselves one",
        PARQUET,
        lambda: parquet(table(300_000), {300_000: 1}),
        UNREADABLE | {200},
    ),
    Attack("Parquet, 8,000 rows by its footer", PARQUET, lambda: parquet(table(70), {70: 8000}), REFUSED),
    Attack("Parquet, 4,000 row groups", PARQUET, lambda: parquet(table(4_000), row_group_size=1), REFUSED),
    Attack(
        "Parquet, 4,000 row groups, one row by its footer",
        PARQUET,
        lambda: parquet(table(4_000), {4_000: 1}, row_group_size=1),
        REFUSED,
    ),
    Attack("Parquet, 20,000 unknown columns", PARQUET, lambda: parquet(unknown_columns(20_000)), REFUSED),
    Attack(
        "Parquet, texts of 1 KB in every row, as a dictionary",
        PARQUET,
        lambda: parquet(table(900, carrier=["é" * 999] * 900, origin=["ü" * 999] * 900)),
        frozenset({200}),
    ),
    Attack("Parquet, lists in lists", PARQUET, lambda: parquet(table(1, carrier=pa.nulls(1, nested(30)))), UNREADABLE),
    Attack("Arrow, 3,000 unknown columns", ARROW, lambda: stream(unknown_columns(3000)), REFUSED),
    Attack("Arrow, 12,000 unknown columns", ARROW, lambda: stream(unknown_columns(12_000)), REFUSED),
    Attack(
        "Arrow, 12,000 columns of one name",
        ARROW,
        lambda: stream(pa.table([[1]] * 12_000, ["weight"] * 12_000)),
        REFUSED,
    ),
    Attack("Arrow, 100 columns with names of 200 KB", ARROW, lambda: stream(unknown_columns(100, 200_000)), REFUSED),
    Attack("Arrow, 1,000 views of one text of 30 MB", ARROW, lambda: shared_views(1000, 30_000_000), REFUSED),
    Attack("Arrow, 30 MB of text in one value", ARROW, lambda: stream(table(1, carrier=["a" * 30_000_000])), REFUSED),
    Attack(
        "Arrow, a dictionary of one value of 30 MB",
        ARROW,
        lambda: stream(table(1000, carrier=pa.array(["a" * 30_000_000]).dictionary_encode().take([0] * 1000))),
        REFUSED,
    ),
    Attack(
        "Arrow, a dictionary that grows with each of 900 batches", ARROW, lambda: growing_dictionaries(900), REFUSED
    ),
    Attack("Arrow, 50,000 empty batches", ARROW, lambda: many_batches(50_000), REFUSED),
    Attack(
        "Arrow, a struct of 50,000 fields",
        ARROW,
        lambda: stream(table(1, carrier=pa.nulls(1, pa.struct([(f"f{n}", pa.int8()) for n in range(50_000)])))),
        REFUSED,
    ),
    Attack("Arrow, lists in lists", ARROW, lambda: stream(table(1, carrier=pa.nulls(1, nested(50)))), UNREADABLE),
    Attack(
        "Arrow, 30 MB of metadata",
        ARROW,
        lambda: stream(table(1).replace_schema_metadata({"a": "b" * 30_000_000})),
        frozenset({200, 413}),
    ),
    Attack(
        "Arrow, a run of a billion",
        ARROW,
        lambda: stream(table(1, carrier=pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"])))),
        REFUSED,
    ),
    Attack("JSON, 10 million empty rows", JSON, lambda: rows_of("{}", LARGE), REFUSED),
    Attack("JSON, 30 million numbers for rows", JSON, lambda: rows_of("0", LARGE), REFUSED, expensive=True),
    Attack("JSON, 10 million lists", JSON, lambda: rows_of("[]", LARGE), REFUSED, expensive=True),
    Attack(
        "JSON, one row with 2 million fields",
        JSON,
        lambda: b'{"rows":[{' + b",".join(b'"f%d":0' % n for n in range(2_000_000)) + b"}]}",
        REFUSED,
    ),
    Attack("JSON, 3,000 rows that each lack all", JSON, lambda: rows_of('{"x": 1}', 27_000), REFUSED),
    Attack("JSON, a name of 30 MB", JSON, lambda: b'{"rows":[{"' + b"k" * 30_000_000 + b'":1}]}', REFUSED),
    Attack(
        "JSON, a value of 30 MB",
        JSON,
        lambda: json.dumps({"rows": [ROW | {"carrier": "v" * 30_000_000}]}).encode(),
        REFUSED,
    ),
    Attack("JSON, a number of 30 MB", JSON, lambda: b'{"rows":[{"weight":' + b"9" * 30_000_000 + b"}]}", UNREADABLE),
    Attack("JSON, a million levels deep", JSON, lambda: b'{"rows":' + b"[" * 1_000_000, UNREADABLE),
    Attack("JSON, 30 MB beside the rows", JSON, lambda: b'{"rows":[{}],"x":[' + b"0," * 15_000_000 + b"0]}", REFUSED),
    Attack(
        "gzip, 1 GB of blanks",
        JSON,
        lambda: gzip.compress(b" " * (64 * MEGABYTE), 9) * 16,
        frozenset({413}),
        {"content-encoding": "gzip"},
    ),
    Attack(
        "gzip, 31 MB of rows",
        JSON,
        lambda: gzip.compress(rows_of("[]", LARGE), 9),
        REFUSED,
        {"content-encoding": "gzip"},
    ),
)
