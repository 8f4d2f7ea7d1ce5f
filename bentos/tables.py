"""Many rows at once: an Arrow stream or a Parquet file to columns, or an answer that names column, row and value.

What comes in is not trusted: sizes are known before anything is unpacked, and Arrow's own full check runs before a
value is looked at.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bentos.arrow_messages import has_compressed_batch
from bentos.encoding import Coded, Columns
from bentos.request import (
    KEY_EXPECTED,
    LONGEST_TEXT,
    NAMED_PROBLEMS,
    RequestRefused,
    Rows,
    brief,
    known_categories,
    refusal,
    too_many_rows,
)

if TYPE_CHECKING:
    from bentos.contract import Column, Packaged
    from bentos.encoding import Matrix

MOST_UNPACKED = 256 << 20
Problem = dict[str, Any]


class TableReader:
    """Checks tables for one model."""

    def __init__(self, packaged: Packaged) -> None:
        self._packaged = packaged
        self._columns = {column.name: column for column in packaged.columns}

    def from_stream(self, body: bytes) -> Rows:
        """The rows of an Arrow IPC stream.

        Raises:
            RequestRefused: it is none, or not what the contract says.
        """
        with _readable("an Arrow IPC stream"):
            if has_compressed_batch(body):
                raise RequestRefused(422, "the Arrow stream is compressed: send it uncompressed, or as Parquet")
            stream = pa.ipc.open_stream(pa.py_buffer(body))
            self._check_schema(stream.schema)
            table = pa.Table.from_batches(self._limited(stream), stream.schema)
            table.validate(full=True)
        return self._rows(table)

    def from_parquet(self, body: bytes) -> Rows:
        """The rows of a Parquet file.

        Raises:
            RequestRefused: it is none, or not what the contract says.
        """
        import pyarrow.parquet as pq

        with _readable("a Parquet file"):
            about = pq.read_metadata(pa.BufferReader(body))
            if about.num_rows > self._packaged.maximum_rows:
                raise too_many_rows(self._packaged)
            if sum(about.row_group(n).total_byte_size for n in range(about.num_row_groups)) > MOST_UNPACKED:
                raise RequestRefused(413, f"the Parquet file unpacks to more than {MOST_UNPACKED >> 20} MiB")
            # As a dictionary, a text that is there a million times is in memory once.
            paths = [about.schema.column(n).path for n in range(about.num_columns)]
            texts = [path for path in paths if path in self._columns and not self._columns[path].number]
            file = pq.ParquetFile(pa.BufferReader(body), metadata=about, read_dictionary=texts)
            self._check_schema(file.schema_arrow)
            table = file.read(use_threads=False)
            table.validate(full=True)
        return self._rows(table)

    def _limited(self, stream: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in stream:
            rows += batch.num_rows
            if rows > self._packaged.maximum_rows:
                raise too_many_rows(self._packaged)
            yield batch

    def _check_schema(self, schema: pa.Schema) -> None:
        problems = [
            *(problem for field in schema if (problem := self._column_problem(field, schema))),
            *(
                _problem(None, name, "no such column", column.expected)
                for name, column in self._columns.items()
                if not column.nullable and name not in schema.names
            ),
        ]
        if problems:
            raise refusal(problems[:NAMED_PROBLEMS], len(problems))

    def _column_problem(self, field: pa.Field, schema: pa.Schema) -> Problem | None:
        name, kind = field.name, field.type
        if schema.names.count(name) > 1:
            return _problem(None, name, "the column twice", "a column once")
        if name in self._packaged.key:
            right, expected = pa.types.is_integer(kind) or _is_text(kind), KEY_EXPECTED
        elif (column := self._columns.get(name)) is None:
            nearest = difflib.get_close_matches(name, self._columns, n=1)
            expected = f"no such column; did you mean {nearest[0]!r}?" if nearest else "no such column"
            return _problem(None, name, "a column", expected)
        else:
            right, expected = (_is_number if column.number else _is_text)(kind), column.expected
        return None if right or pa.types.is_null(kind) else _problem(None, name, f"a column of {kind}", expected)

    def _rows(self, table: pa.Table) -> Rows:
        if not table.num_rows:
            raise refusal([_problem(None, None, "no rows", "at least one")], 1)
        problems: list[Problem] = []
        numbers = np.empty((table.num_rows, len(self._packaged.numbers)))
        for place, column in enumerate(self._packaged.numbers):
            numbers[:, place] = _numbers(column, _column(table, column.name), problems.append)
        categories = tuple(
            self._categories(column, _column(table, column.name), problems.append)
            for column in self._packaged.categories
        )
        key = tuple(self._key(_column(table, name), name, problems.append) for name in self._packaged.key)
        if problems:
            raise refusal(sorted(problems, key=lambda problem: problem["row"])[:NAMED_PROBLEMS], len(problems))
        return Rows(Columns(numbers, categories), key)

    def _categories(self, column: Column, values: pa.Array, report: Callable[[Problem], None]) -> Coded:
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        if not pa.types.is_dictionary(values.type):
            values = values.cast(pa.string()).dictionary_encode()
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.intp)
        used, places = np.unique(codes, return_inverse=True)
        texts = [None if code < 0 else values.dictionary[int(code)].as_py() for code in used]
        for place, text in enumerate(texts):
            if expected := self._category_problem(column, text):
                row = int(np.argmax(places == place))
                report(_problem(row, column.name, brief(text), expected))
        return Coded(places.astype(np.intp), tuple(texts))

    def _category_problem(self, column: Column, text: str | None) -> str:
        """What was expected instead of a value, empty where it is right."""
        if text is None:
            return "" if column.nullable else column.expected
        if self._packaged.refuse_unknown:
            return "" if text in column.known else known_categories(column)
        return f"{column.expected} of {column.longest} characters at most" if len(text) > column.longest else ""

    def _key(self, values: pa.Array, name: str, report: Callable[[Problem], None]) -> list[str | None]:
        texts: list[str | None] = values.cast(pa.string()).to_pylist()
        for row, text in enumerate(texts):
            if text is not None and len(text) > LONGEST_TEXT:
                report(_problem(row, name, brief(text), f"{KEY_EXPECTED} of {LONGEST_TEXT} characters at most"))
        return texts


def _numbers(column: Column, values: pa.Array, report: Callable[[Problem], None]) -> Matrix:
    missing = values.is_null().to_numpy(zero_copy_only=False)
    numbers: Matrix = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if missing.any() and not column.nullable:
        report(_problem(int(np.argmax(missing)), column.name, "null", column.expected))
    strange = ~(np.isfinite(numbers) | missing)
    if strange.any():
        row = int(np.argmax(strange))
        instead = "; a missing one is null" if column.nullable else ""
        report(_problem(row, column.name, brief(float(numbers[row])), f"{column.expected}{instead}"))
    return numbers


def _column(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece; nothing but nulls where the table has it not."""
    if name in table.column_names:
        return table[name].unify_dictionaries().combine_chunks()
    return pa.nulls(table.num_rows)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _problem(row: int | None, field: str | None, found: str, expected: str) -> Problem:
    return {"row": row, "field": field, "found": found, "expected": expected}


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise RequestRefused(400, f"the body is not {what}: {str(error).splitlines()[0][:300]}") from None
