"""The CSV files of one day as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from jobs.data.readers.csv_hints import number_hint
from jobs.data.readers.csv_numbers import Notation
from jobs.data.readers.csv_text import SHOWN, CsvText, csv_text
from jobs.data.readers.csv_types import NotOfType, inferred, parsed, parses
from jobs.data.readers.source_day import SourceFile, UnreadableFile, same_columns
from jobs.data.spill import each_column
from tidewheel.errors import SpecError
from tidewheel.spec.sections import CsvReader

EXAMPLES = 3


def csv_table(
    files: Sequence[SourceFile], reader: CsvReader, types: Mapping[str, pa.DataType], section: str
) -> pa.Table:
    """The CSV files of a day as one table.

    A column has the type of all its values of the day: digits in one file and letters in the next are text in both.

    Args:
        files: the files.
        reader: how they are written.
        types: what is known of the columns' types.
        section: the part of the pipeline file that the reader stands in, for messages.

    Raises:
        UnreadableFile: a file is no CSV file as the reader says, differs in its columns from the first, or has a field
            that is not of its column's known type.
        SpecError: a known type is none that a field of CSV can be.
    """
    parts = [csv_text(file, reader, section) for file in files]
    text = pa.concat_tables(same_columns(files, [part.table for part in parts]))
    notation = Notation.of(reader)
    return each_column(text, lambda name, column: _csv_column(name, column, parts, notation, types.get(name), section))


def _csv_column(
    name: str,
    text: pa.ChunkedArray,
    parts: Sequence[CsvText],
    notation: Notation,
    kind: pa.DataType | None,
    section: str,
) -> pa.ChunkedArray:
    reader = parts[0].reader
    if kind is not None and not pa.types.is_null(kind):
        if not parses(kind):
            raise SpecError(
                f"{section}: column {name!r} is known as {kind}, which no field of a CSV file can be; expected text, a "
                "number, a boolean, a date, a time of day or a timestamp"
            )
        try:
            return parsed(text, kind, notation)
        except NotOfType as error:
            part, line = _place(parts, error.row)
            found = inferred(pa.chunked_array([[error.value]], pa.string()), notation).type
            remedy = number_hint(text, reader, section) or f"correct the file, or say otherwise under {section}.types"
            raise UnreadableFile(
                part.file,
                f"line {line}, column {name!r}: {_shown(error.value)} ({found})",
                f"expected {kind}; {remedy}",
                [name],
            ) from None
    column = inferred(text, notation)
    if pa.types.is_string(column.type) and reader.decimal != "." and (hint := number_hint(text, reader, section)):
        values = ", ".join(_shown(value) for value in text.drop_null().slice(0, EXAMPLES).to_pylist())
        raise UnreadableFile(
            parts[0].file,
            f"column {name!r} looks like numbers in another notation ({values})",
            f"{hint}; if it is text, set {section}.types: {{{name}: string}}",
            [name],
        )
    return column


def _place(parts: Sequence[CsvText], row: int) -> tuple[CsvText, int]:
    """The file and line of a row of all files."""
    for part in parts:
        if row < part.table.num_rows:
            return part, part.line(row)
        row -= part.table.num_rows
    raise IndexError(row)


def _shown(value: str) -> str:
    return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
