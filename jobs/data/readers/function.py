"""The rows of one day from a function of the pipeline's own: tables of Arrow, or frames of pandas, one or several."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.data.code_reference import resolve
from jobs.data.readers.one_type import TypesDiffer, of_one_type
from jobs.data.readers.source_day import SourceDay, name_problem
from jobs.data.readers.values import ValueProblem, array_of
from jobs.data.reasons import RowsRefused
from jobs.data.spill import by_schema, gathered
from tidewheel.errors import UsageError
from tidewheel.spec.sections import PythonReader

if TYPE_CHECKING:
    import pandas as pd


def call_function(reader: PythonReader, day: date) -> SourceDay:
    """Call a pipeline's function for one day. See `jobs.data.readers.read_day`."""
    returned = resolve(reader.function)(day)
    name = f"{reader.function}({day})"
    is_table = hasattr(returned, "__arrow_c_stream__")  # such as a RecordBatchReader, which is an iterator, too
    parts = returned if isinstance(returned, Iterator) and not is_table else iter([returned])
    tables = by_schema(_parts(parts, name))
    if not tables:
        raise UsageError(f"{name} yielded nothing; expected at least one table, without rows for a day without any")
    try:
        return SourceDay(of_one_type(tables), name)
    except TypesDiffer as error:
        kinds = ", ".join(dict.fromkeys(map(str, error.kinds)))
        raise RowsRefused(
            name,
            f"column {error.column!r} has different types in the parts of one day: {kinds} ({error.reason})",
            "expected one type in all parts of a day",
            [error.column],
        ) from error


def _parts(parts: Iterator[object], name: str) -> Iterator[pa.Table]:
    """What a function gave as tables with the columns of the first, in their order."""
    first: list[str] | None = None
    for part in parts:
        table = _table(part, name)
        if first is not None and sorted(table.column_names) != sorted(first):
            differ = sorted({*first} ^ {*table.column_names})
            raise RowsRefused(
                name,
                f"column {', '.join(differ)} is in some parts of one day only",
                "expected the same columns in all parts of a day, in any order",
                differ,
            )
        first = first or table.column_names
        yield table.select(first)


def _table(returned: object, name: str) -> pa.Table:
    import pandas as pd

    if isinstance(returned, pd.DataFrame):
        return _from_pandas(returned, name)
    if not hasattr(returned, "__arrow_c_stream__"):
        raise UsageError(
            f"{name} returned a {type(returned).__name__}; expected a pandas.DataFrame, a pyarrow.Table or another "
            "table with Arrow's stream interface, such as polars.DataFrame, or an iterator of such tables"
        )
    batches = pa.RecordBatchReader.from_stream(returned)
    if problem := name_problem(batches.schema.names, "rename it in the function"):
        raise RowsRefused(name, *problem)
    return returned if isinstance(returned, pa.Table) else gathered(batches, batches.schema)


def _from_pandas(frame: pd.DataFrame, name: str) -> pa.Table:
    import pandas as pd

    if isinstance(frame.columns, pd.MultiIndex):
        raise RowsRefused(
            name,
            f"the columns have names of {frame.columns.nlevels} levels, for example {frame.columns[0]}",
            "expected one: join them, as in frame.columns = ['_'.join(names) for names in frame.columns]",
        )
    if other := [column for column in frame.columns if not isinstance(column, str)]:
        raise RowsRefused(
            name,
            f"{other[0]!r} ({type(other[0]).__name__}) is the name of a column",
            "expected text: frame.columns = frame.columns.astype(str)",
        )
    if problem := name_problem(list(frame.columns), "rename it, for example with merge's `suffixes` or frame.rename"):
        raise RowsRefused(name, *problem)
    if lost := [str(level) for level in frame.index.names if level is not None and level not in frame.columns]:
        raise RowsRefused(name, f"{', '.join(lost)} is an index, not a column", "return frame.reset_index()", lost)
    return pa.table({column: _column(frame[column], column, name) for column in frame.columns})


def _column(series: pd.Series, column: str, name: str) -> pa.Array | pa.ChunkedArray:
    """A column with its values as they are; NaN, NaT and NA are missing values, as pandas takes them."""
    try:
        return _array(series)
    except ValueProblem as problem:
        raise RowsRefused(name, f"column {column!r} {problem.found}", problem.expected, [column]) from problem
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise RowsRefused(
            name,
            f"column {column!r} is of pandas' type {series.dtype}, which no column can hold: {error}",
            "convert it in the function",
            [column],
        ) from error


def _array(series: pd.Series) -> pa.Array | pa.ChunkedArray:
    import pandas as pd

    kind = series.dtype
    if isinstance(kind, pd.PeriodDtype | pd.IntervalDtype) or kind.kind == "c":
        raise ValueProblem(
            f"is of pandas' type {kind}, which no column can hold", "expected text, numbers or timestamps"
        )
    if isinstance(kind, pd.SparseDtype):
        return pa.array(np.asarray(series), from_pandas=True)
    if isinstance(kind, pd.CategoricalDtype):
        categories = _array(pd.Series(kind.categories))
        values = categories if isinstance(categories, pa.Array) else categories.combine_chunks()
        codes = pa.array(series.cat.codes.to_numpy(), mask=(series.cat.codes == -1).to_numpy())
        return pa.DictionaryArray.from_arrays(codes, values, ordered=bool(kind.ordered))
    if kind == np.dtype(object):
        # A list among the values is a value; `isna` would look into it.
        return array_of([None if pd.api.types.is_scalar(value) and pd.isna(value) else value for value in series])
    return pa.array(series, from_pandas=True)
