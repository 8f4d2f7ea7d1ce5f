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

from jobs.data.readers.csv_hints import delimiter_hint, encoding_hint, other_format
from jobs.data.readers.csv_split import LINE_ENDS, split
from jobs.data.readers.source_day import SourceFile, UnreadableFile, name_problem
from jobs.data.spill import BLOCK, Content, blocks, content_of, count, read_blocks
from tidewheel.spec.sections import CsvReader

HEAD = 300  # bytes that say of which format a file is
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
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
    content: Content = field(repr=False)
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
            table = split(content, reader, names)
        except pa.ArrowInvalid as error:
            broken = _first_broken(content, reader) or (str(error), "")
        else:
            text = CsvText(file, reader, content, table)
            if (row := _header_again(text.table)) is None:
                return text
            broken = (
                f"line {text.line(row)} is the line with the column names again, as in a file that was put together "
                "of several",
                "land them as files of their own, or remove the line",
            )
    raise UnreadableFile(file, broken[0], _with_hint(broken[1], content, reader, section))


def _unpacked(file: SourceFile) -> Content:
    compression = COMPRESSIONS.get(Path(file.name).suffix.lower())
    content = file.content
    if compression and content:
        try:
            with pa.input_stream(pa.py_buffer(content), compression=compression) as stream:
                content = content_of(read_blocks(stream))
        except (pa.ArrowException, OSError, EOFError) as error:
            raise UnreadableFile(
                file, f"not a complete {compression} file ({len(file.content)} bytes): {error}", "land it again"
            ) from error
    if found := other_format(content[:HEAD]):
        raise UnreadableFile(file, found, "expected CSV")
    return content


def _decoded(file: SourceFile, content: Content, reader: CsvReader, section: str) -> Content:
    """The content in UTF-8, without a byte order mark and without zero bytes."""
    try:
        encoded = _in_utf8(content, reader.encoding)
    except _NotDecoded as error:
        line = 1 + sum(count(content, end, error.start) for end in (b"\n", b"\r"))
        line -= count(content, b"\r\n", error.start)
        cut = "", "the file ends within a character; land it again"
        seen, remedy = cut if error.is_cut else encoding_hint(content, error.start, section)
        raise UnreadableFile(file, f"line {line} is not {reader.encoding}{seen}", remedy) from error
    while encoded[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8:
        encoded = content_of(blocks(encoded, len(codecs.BOM_UTF8)))
    if (nul := encoded.find(b"\0")) >= 0:
        line = 1 + count(encoded, b"\n", nul)
        seen, remedy = encoding_hint(content, nul, section)
        raise UnreadableFile(file, f"line {line} holds a zero byte, which no text has{seen}", remedy)
    return encoded


class _NotDecoded(Exception):
    """Bytes from `start` on are no text; `is_cut`: the file ends within a character."""

    def __init__(self, start: int, is_cut: bool) -> None:
        super().__init__(start, is_cut)
        self.start, self.is_cut = start, is_cut


def _in_utf8(content: Content, encoding: str) -> Content:
    texts = _texts(content, encoding)
    if encoding.lower() not in ("utf-8", "utf8"):
        return content_of(text.encode(errors="surrogatepass") for text in texts)
    for _ in texts:  # what is in UTF-8 is only looked through
        pass
    return content


def _texts(content: Content, encoding: str) -> Iterator[str]:
    decoder, done = codecs.getincrementaldecoder(encoding)(), 0
    while True:
        waiting, block = len(decoder.getstate()[0]), content[done : done + BLOCK]
        is_last = done + len(block) == len(content)
        try:
            yield decoder.decode(block, final=is_last)
        except UnicodeError as error:
            before = done - waiting
            ends_within = before + getattr(error, "end", 0) == len(content) and "end" in getattr(error, "reason", "")
            raise _NotDecoded(before + getattr(error, "start", 0), ends_within) from error
        done += len(block)
        if is_last:
            return


def _rows(content: Content, reader: CsvReader) -> Iterator[tuple[int, list[str]]]:
    """The rows as Python's csv module reads them, the header first, each with the line that it begins on.

    Slower than Arrow, but it knows lines, and minds what stands after a closing quote.

    Raises:
        BrokenQuote: quotes do not end, or end within a field.
    """
    csv.field_size_limit(sys.maxsize)
    rows = csv.reader(
        io.TextIOWrapper(pa.BufferReader(pa.py_buffer(content)), encoding="utf-8", newline=""),
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


def _header(content: Content, reader: CsvReader) -> list[str]:
    return next(_rows(content, reader))[1]


def _quotes_are_plain(content: Content, reader: CsvReader) -> bool:
    """Whether each quote surely opens or closes a field. Where not, Python's csv module decides.

    Arrow alone takes `"a"b` for ab, and all that follows a quote that is never closed for one field.
    """
    if reader.quote == "" or (content.find(reader.quote.encode()) < 0 and reader.escape is None):
        return True
    if reader.escape is not None:
        return False
    # A doubled quote closes a field and opens it again, so that pairs stay pairs.
    is_neighbour = np.zeros(256, dtype=bool)
    is_neighbour[list(LINE_ENDS + reader.delimiter.encode() + reader.quote.encode())] = True
    characters, opens = np.frombuffer(content, dtype=np.uint8), 0
    for begin in range(0, len(characters), BLOCK):
        places = np.flatnonzero(characters[begin : begin + BLOCK] == ord(reader.quote)) + begin
        before, after = places[opens::2] - 1, places[1 - opens :: 2] + 1
        before, after = before[before >= 0], after[after < len(characters)]  # the ends of a file are neighbours, too
        if not (is_neighbour[characters[before]].all() and is_neighbour[characters[after]].all()):
            return False
        opens = (opens + len(places)) % 2
    return opens == 0


def _header_again(table: pa.Table) -> int | None:
    """The first row that holds nothing but the names of its columns; None where there is none."""
    row: pa.ChunkedArray | None = None
    for name, column in zip(table.column_names, table.columns, strict=True) if table.num_columns > 1 else ():
        is_name = pc.equal(pc.utf8_trim(column, characters=" \t\ufeff"), name)
        row = is_name if row is None else pc.and_(row, is_name)
        if not pc.any(row, min_count=0).as_py():
            return None
    return None if row is None else pc.index(row, True).as_py()


def _with_hint(message: str, content: Content, reader: CsvReader, section: str) -> str:
    return "; ".join(part for part in (message, delimiter_hint(content, reader, section)) if part)


def _first_broken(content: Content, reader: CsvReader) -> tuple[str, str] | None:
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
