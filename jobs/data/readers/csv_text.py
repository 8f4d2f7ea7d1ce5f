"""The fields of a CSV file as text: unpacked, decoded and split, or a sentence that names the place where it ends."""

from __future__ import annotations

import codecs
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from jobs.data.readers.csv_hints import delimiter_hint, encoding_hint, other_format
from jobs.data.readers.source_day import SourceFile, UnreadableFile, name_problem
from tidewheel.spec.sections import CsvReader

BLOCK = 4 << 20
LARGEST_BLOCK = 2**31 - 1  # Arrow counts the bytes of a block in an int32
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
LINE_ENDS = b"\r\n"
SHOWN = 60  # characters of a value in a message


class BrokenQuote(Exception):
    """A quoted field does not end, or ends before its field does."""

    def __init__(self, begins: int, ends: int, quote: str, reason: str) -> None:
        place = f"line {begins}" if ends <= begins else f"the row on lines {begins} to {ends}"
        wrong = (
            "opens a field, and none closes it before the file ends"
            if "unexpected end" in reason
            else f"closes a field before its end ({reason})"
        )
        self.found = f"{place}: a quote ({quote}) {wrong}"
        self.expected = (
            f"a quote inside a quoted field is written twice ({quote * 2}); set the reader's `escape` where it is "
            "written otherwise, or `quote: ''` where quotes mean nothing"
        )
        super().__init__(self.found)


@dataclass(frozen=True)
class CsvText:
    """A CSV file with the fields of its rows, all of them text; a field without a value and without quotes is null."""

    file: SourceFile
    reader: CsvReader
    content: bytes = field(repr=False)
    table: pa.Table = field(repr=False)

    def line(self, row: int) -> int:
        """The line of the file that a row begins on; both are counted from the top, rows from 0 and lines from 1."""
        for position, (line, _) in enumerate(_rows(self.content, self.reader)):
            if position == row + 1:  # the first is the header
                return line
        raise IndexError(row)


def csv_text(file: SourceFile, reader: CsvReader, section: str) -> CsvText:
    """Split a file into its columns.

    Args:
        file: the file.
        reader: how the file is written.
        section: the part of the pipeline file that the reader stands in, for messages.

    Raises:
        UnreadableFile: it is cut off, another format, in another encoding, has rows of another length than its header,
            or quotes that do not end; the message names the line and, where the file shows it, the key to set.
    """
    content = _decoded(file, _unpacked(file), reader, section)
    try:
        names = [name.strip() for name in _header(content, reader)]
    except StopIteration:
        raise UnreadableFile(
            file,
            f"empty ({len(file.content)} bytes)",
            "expected at least the line with the column names; land it again",
        ) from None
    except BrokenQuote as error:
        raise UnreadableFile(file, error.found, _with_hint(error.expected, content, reader, section)) from None
    if len(names) == 1 and (hint := delimiter_hint(content, reader, section)):
        raise UnreadableFile(file, f"has one column, {names[0][:SHOWN]!r}", hint)
    if problem := name_problem(names, "correct the first line of the file (pandas writes no index with index=False)"):
        raise UnreadableFile(file, problem[0], _with_hint(problem[1], content, reader, section))
    broken = None if _quotes_are_plain(content, reader) else _first_broken(content, reader)
    if broken is None:
        try:
            columns = _columns(content, reader, len(names))
        except pa.ArrowInvalid as error:
            broken = _first_broken(content, reader) or (str(error), "")
        else:
            found = CsvText(file, reader, content, pa.table(dict(zip(names, columns, strict=True))))
            if (row := _header_again(found.table)) is None:
                return found
            broken = (
                f"line {found.line(row)} is the line with the column names again, as in a file that was put together "
                "of several",
                "land them as files of their own, or remove the line",
            )
    raise UnreadableFile(file, broken[0], _with_hint(broken[1], content, reader, section))


def _unpacked(file: SourceFile) -> bytes:
    compression = COMPRESSIONS.get(Path(file.name).suffix.lower())
    content = file.content
    if compression and content:
        try:
            with pa.input_stream(pa.py_buffer(content), compression=compression) as stream:
                content = stream.read()
        except (pa.ArrowException, OSError, EOFError) as error:
            raise UnreadableFile(
                file, f"not a complete {compression} file ({len(file.content)} bytes): {error}", "land it again"
            ) from error
    if found := other_format(content):
        raise UnreadableFile(file, found, "expected CSV")
    return content


def _decoded(file: SourceFile, content: bytes, reader: CsvReader, section: str) -> bytes:
    """The content in UTF-8, without a byte order mark and without empty lines at its top."""
    try:
        text = content.decode(reader.encoding)
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = 1 + len(content[:start].splitlines()) - (content[:start][-1:] not in (b"", b"\n", b"\r"))
        ends_within = getattr(error, "end", 0) == len(content) and "end" in getattr(error, "reason", "")
        cut = "", "the file ends within a character; land it again"
        seen, remedy = cut if ends_within else encoding_hint(content, start, section)
        raise UnreadableFile(file, f"line {line} is not {reader.encoding}{seen}", remedy) from error
    encoded = content if reader.encoding.lower() in ("utf-8", "utf8") else text.encode(errors="surrogatepass")
    while encoded.startswith(codecs.BOM_UTF8):
        encoded = encoded.removeprefix(codecs.BOM_UTF8)
    if (nul := encoded.find(b"\0")) >= 0:
        line = 1 + encoded.count(b"\n", 0, nul)
        seen, remedy = encoding_hint(content, nul, section)
        raise UnreadableFile(file, f"line {line} holds a zero byte, which no text has{seen}", remedy)
    return encoded


def _rows(content: bytes, reader: CsvReader) -> Iterator[tuple[int, list[str]]]:
    """The rows as Python's csv module reads them, the header first, each with the line that it begins on.

    Slower than Arrow, but it knows lines, and minds what stands after a closing quote.

    Raises:
        BrokenQuote: quotes do not end, or end within a field.
    """
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""),
        delimiter=reader.delimiter,
        quotechar=reader.quote or None,
        quoting=csv.QUOTE_MINIMAL if reader.quote else csv.QUOTE_NONE,
        escapechar=reader.escape,
        strict=True,
    )
    begins = 1
    try:
        for row in rows:
            if row:
                yield begins, row
            begins = rows.line_num + 1
    except csv.Error as error:
        raise BrokenQuote(begins, rows.line_num, reader.quote, str(error)) from error


def _header(content: bytes, reader: CsvReader) -> list[str]:
    return next(_rows(content, reader))[1]


def _quotes_are_plain(content: bytes, reader: CsvReader) -> bool:
    """Whether each quote surely opens or closes a field. Where not, Python's csv module decides.

    Arrow alone takes `"a"b` for ab, and all that follows a quote that is never closed for one field.
    """
    if reader.quote == "" or (reader.quote.encode() not in content and reader.escape is None):
        return True
    if reader.escape is not None:
        return False
    characters = np.frombuffer(b"\n" + content + b"\n", dtype=np.uint8)
    places = np.flatnonzero(characters == ord(reader.quote))
    if len(places) % 2:
        return False
    # A doubled quote closes a field and opens it again, so that pairs stay pairs.
    is_neighbour = np.zeros(256, dtype=bool)
    is_neighbour[list(LINE_ENDS + reader.delimiter.encode() + reader.quote.encode())] = True
    before, after = characters[places[::2] - 1], characters[places[1::2] + 1]
    return bool(is_neighbour[before].all() and is_neighbour[after].all())


def _columns(content: bytes, reader: CsvReader, count: int) -> list[pa.ChunkedArray]:
    positions = [str(position) for position in range(count)]
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(positions, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = pa.csv.ParseOptions(
        delimiter=reader.delimiter,
        quote_char=reader.quote or False,
        escape_char=reader.escape or False,
        newlines_in_values=True,
    )
    rows, block = content.lstrip(LINE_ENDS), BLOCK
    if not rows.endswith((b"\n", b"\r")):
        rows += b"\n"  # Arrow finds no end of a header without it
    while True:
        read = pa.csv.ReadOptions(column_names=positions, skip_rows_after_names=1, block_size=block)
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(rows), read_options=read, parse_options=parse, convert_options=convert
            )
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block >= min(len(content), LARGEST_BLOCK):
                raise
            block = min(block * 8, LARGEST_BLOCK)  # a row is longer than a block
        else:
            return list(table.columns)


def _header_again(table: pa.Table) -> int | None:
    """The first row that holds nothing but the names of its columns; None where there is none."""
    row: pa.ChunkedArray | None = None
    for name, column in zip(table.column_names, table.columns, strict=True) if table.num_columns > 1 else ():
        is_name = pc.equal(pc.utf8_trim(column, characters=" \t\ufeff"), name)
        row = is_name if row is None else pc.and_(row, is_name)
        if not pc.any(row, min_count=0).as_py():
            return None
    return None if row is None else pc.index(row, True).as_py()


def _with_hint(message: str, content: bytes, reader: CsvReader, section: str) -> str:
    return "; ".join(part for part in (message, delimiter_hint(content, reader, section)) if part)


def _first_broken(content: bytes, reader: CsvReader) -> tuple[str, str] | None:
    """The first row that is not one: what was found, and what is expected."""
    expected = 0
    try:
        for line, row in _rows(content, reader):
            expected = expected or len(row)
            if len(row) != expected:
                return (
                    f"line {line}: found {len(row)} fields, expected {expected}, as in the header",
                    f"a field that holds {reader.delimiter!r} or a line break stands in quotes; a file that was cut "
                    "off is landed again",
                )
    except BrokenQuote as error:
        return error.found, error.expected
    return None
