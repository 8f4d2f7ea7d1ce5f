"""Many rows at once: an Arrow stream or a Parquet file to columns, or an answer that names column, row and value.

What comes in is not trusted. No size that a file states about itself is believed, none but the contract's columns are
read, and what they hold is added up before it is copied. This runs in a process of its own with a limit on memory and
time, see `bentos.decoder`: for what remains, such as a page that unpacks to a gigabyte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bentos.arrow_messages import MOST_MESSAGES, check_messages
from bentos.arrow_texts import coded_texts, held_bytes, is_text, kind_name
from bentos.encoding import Columns
from bentos.problems import (
    NAMED_PROBLEMS,
    NO_COLUMN,
    NULL,
    Problem,
    RequestRefused,
    brief,
    problem,
    refusal,
    refused_body,
    shortened,
    too_many_rows,
    unknown_name,
)
from bentos.request import CheckedRows
from bentos.request_schema import KEY_EXPECTED, LONGEST_TEXT, known_categories

if TYPE_CHECKING:
    from bentos.contract import CategoryColumn, NumberColumn
    from bentos.encoding import Coded, Matrix
    from bentos.packaged import Packaged
    from bentos.request_body import Body

MOST_UNPACKED = 64 << 20
"""Bytes of all values of a request, decoded."""
MOST_ROW_GROUPS = MOST_MESSAGES
MOST_COLUMNS = 10_000
BATCH_ROWS = 4096
Report = Callable[[Problem], None]


class TableReader:
    """Checks tables for one model."""

    def __init__(self, packaged: Packaged) -> None:
        contract = packaged.contract
        self._packaged = packaged
        self._number_columns, self._category_columns = contract.numbers, contract.categories
        self._columns = {column.name: column for column in contract.columns}
        self._names = [*self._columns, *packaged.key]

    def from_stream(self, body: Body) -> CheckedRows:
        """The rows of an Arrow IPC stream.

        Raises:
            RequestRefused: it is none, or not what the contract says.
        """
        with _readable("an Arrow IPC stream"):
            check_messages(body)
            stream = pa.ipc.open_stream(pa.py_buffer(body))
            self._check_schema(stream.schema)
            return self._rows(self._limited(stream), stream.schema)

    def from_parquet(self, body: Body) -> CheckedRows:
        """The rows of a Parquet file.

        Raises:
            RequestRefused: it is none, or not what the contract says.
        """
        import pyarrow.parquet as pq

        with _readable("a Parquet file"):
            about = pq.read_metadata(pa.BufferReader(body))
            if not 0 <= about.num_rows <= self._packaged.maximum_rows:
                raise too_many_rows(self._packaged)
            if about.num_columns > MOST_COLUMNS:
                raise RequestRefused(413, f"the Parquet file has {about.num_columns} columns, {MOST_COLUMNS} at most")
            if about.num_row_groups > MOST_ROW_GROUPS:
                raise RequestRefused(
                    413, f"the Parquet file has {about.num_row_groups} row groups, {MOST_ROW_GROUPS} at most"
                )
            # As a dictionary, a text that is there a million times is in memory once.
            texts = [column.name for column in self._category_columns]
            paths = {about.schema.column(n).path for n in range(about.num_columns)}
            file = pq.ParquetFile(
                pa.BufferReader(body), read_dictionary=[path for path in texts if path in paths], pre_buffer=False
            )
            schema = file.schema_arrow
            self._check_schema(schema)
            names = [name for name in self._names if name in schema.names]
            batches = file.iter_batches(BATCH_ROWS, columns=names, use_threads=False)
            return self._rows(self._limited(batches), pa.schema([schema.field(name) for name in names]))

    def _limited(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches as they come, each checked through and through, until they are too many or too large."""
        rows, size, dictionaries = 0, 0, set[int]()
        for batch in batches:
            rows += batch.num_rows
            if rows > self._packaged.maximum_rows:
                raise too_many_rows(self._packaged)
            batch.validate()
            size += sum(held_bytes(column, dictionaries) for column in batch.columns)
            if size > MOST_UNPACKED:
                raise _too_large()
            batch.validate(full=True)  # looks at each text, and a thousand may be the same large one
            yield batch

    def _check_schema(self, schema: pa.Schema) -> None:
        names = Counter(schema.names)
        missing = (
            problem(None, name, NO_COLUMN, column.expected)
            for name, column in self._columns.items()
            if not column.nullable and name not in names
        )
        wrong = [
            place for place, name in enumerate(schema.names) if self._is_wrong(schema.field(place).type, name, names)
        ]
        lacking = list(missing)
        if wrong or lacking:
            shown = [self._column_problem(schema.field(place), names) for place in islice(wrong, NAMED_PROBLEMS)]
            raise refusal([*shown, *lacking][:NAMED_PROBLEMS], len(wrong) + len(lacking))

    def _is_wrong(self, kind: pa.DataType, name: str, names: Counter[str]) -> bool:
        if names[name] > 1:
            return True
        if pa.types.is_null(kind):
            return name not in self._columns and name not in self._packaged.key
        if name in self._packaged.key:
            return not (pa.types.is_integer(kind) or is_text(kind))
        column = self._columns.get(name)
        return column is None or not (_is_number if column.type == "number" else is_text)(kind)

    def _column_problem(self, field: pa.Field, names: Counter[str]) -> Problem:
        name = field.name
        if names[name] > 1:
            return problem(None, name, "the column twice", "a column once")
        if name in self._packaged.key:
            return problem(None, name, f"a column of {kind_name(field.type)}", KEY_EXPECTED)
        if column := self._columns.get(name):
            return problem(None, name, f"a column of {kind_name(field.type)}", column.expected)
        return problem(None, name, "a column", unknown_name("column", name, self._columns))

    def _rows(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> CheckedRows:
        table = pa.Table.from_batches(batches, schema)
        if not table.num_rows:
            raise refusal([problem(None, None, "no rows", "at least one")], 1)
        if table.num_rows * len(self._number_columns) * np.dtype(float).itemsize > MOST_UNPACKED:
            raise _too_large()
        problems: list[Problem] = []
        numbers = np.empty((table.num_rows, len(self._number_columns)))
        for place, column in enumerate(self._number_columns):
            numbers[:, place] = _numbers(column, _column(table, column.name), problems.append)
        categories = tuple(
            self._categories(column, _column(table, column.name), problems.append) for column in self._category_columns
        )
        key = tuple(self._key(_column(table, name), name, problems.append) for name in self._packaged.key)
        if problems:
            raise refusal(sorted(problems, key=lambda each: each["row"])[:NAMED_PROBLEMS], len(problems))
        return CheckedRows(Columns(numbers, categories), key)

    def _categories(self, column: CategoryColumn, values: pa.Array, report: Report) -> Coded:
        coded, cut = coded_texts(values, column.longest)
        for place, text in enumerate(coded.values):
            if expected := self._category_problem(column, text, place in cut):
                report(problem(coded.first_row(place), column.name, brief(text), expected))
        return coded

    def _category_problem(self, column: CategoryColumn, text: str | None, is_cut: bool) -> str:
        """What was expected instead of a value, empty where it is right."""
        if text is None:
            return "" if column.nullable else column.expected
        if self._packaged.refuse_unknown:
            return known_categories(column) if is_cut or text not in column.known else ""
        too_long = is_cut or len(text) > column.longest
        return f"{column.expected} of {column.longest} characters at most" if too_long else ""

    def _key(self, values: pa.Array, name: str, report: Report) -> list[str | None]:
        if pa.types.is_integer(values.type):
            texts: list[str | None] = values.cast(pa.string()).to_pylist()
            return texts
        coded, cut = coded_texts(values, LONGEST_TEXT)
        for place, text in enumerate(coded.values):
            if place in cut or (text is not None and len(text) > LONGEST_TEXT):
                expected = f"{KEY_EXPECTED} of {LONGEST_TEXT} characters at most"
                report(problem(coded.first_row(place), name, brief(text), expected))
        return list(coded)


def _numbers(column: NumberColumn, values: pa.Array, report: Report) -> Matrix:
    missing = values.is_null().to_numpy(zero_copy_only=False)
    numbers: Matrix = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    if missing.any() and not column.nullable:
        report(problem(int(np.argmax(missing)), column.name, NULL, column.expected))
    strange = ~(np.isfinite(numbers) | missing)
    if strange.any():
        row = int(np.argmax(strange))
        instead = "; a missing one is null" if column.nullable else ""
        report(problem(row, column.name, brief(float(numbers[row])), f"{column.expected}{instead}"))
    return numbers


def _column(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece; nothing but nulls where the table has it not."""
    if name in table.column_names:
        return table[name].unify_dictionaries().combine_chunks()
    return pa.nulls(table.num_rows)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _too_large() -> RequestRefused:
    return RequestRefused(413, f"the rows decode to more than {MOST_UNPACKED >> 20} MiB; send them in several requests")


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:  # one of Arrow's exceptions is both
        raise
    except (pa.ArrowException, OSError) as error:
        # Only the beginning: a message of Arrow's may quote what it could not read.
        why = shortened(str(error)[:1000].splitlines()[0] if str(error) else type(error).__name__, 300)
        raise refused_body(400, f"the body is not {what}: {why}", "something else", what) from None
