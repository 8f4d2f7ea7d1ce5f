"""What a CSV file seems to be written like, for messages. Nothing here changes how a file is read."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from jobs.data.readers.csv_numbers import Notation, is_number
from jobs.data.readers.csv_types import SAMPLE, inferred
from jobs.data.readers.text_columns import any_true
from jobs.data.spill import Content
from tidewheel.spec.sections import CsvReader

if TYPE_CHECKING:
    import pyarrow as pa

LIKELY_DELIMITERS = (";", "\t", "|", ",", ":", "\x01")
LOOKED_AT = 50  # rows
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHER_FORMATS = (
    (b"PAR1", "a Parquet file: set the reader's `kind: parquet`"),
    (b"PK\x03\x04", "a zip archive (an Excel workbook is one, too): unpack it, or export it as CSV"),
    (b"\x1f\x8b", "compressed by gzip: end its name with .gz, once for each time that it was compressed"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: end its name with .zst"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it, or compress it by gzip, bzip2 or zstd"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it"),
    (b"\x04\x22\x4d\x18", "compressed by LZ4: unpack it, or compress it by gzip, bzip2 or zstd"),
    (b"\xff\x06\x00\x00sNaPpY", "compressed by Snappy: unpack it, or compress it by gzip, bzip2 or zstd"),
    (b"Obj\x01", "an Avro file: convert it, or read it with a function (`kind: python`)"),
    (b"ARROW1", "an Arrow file: convert it, or read it with a function (`kind: python`)"),
    (
        b"sep=",
        "written for Excel, with the delimiter in its first line: remove that line, and set the reader's `delimiter`",
    ),
    (b"BZh", "compressed by bzip2: end its name with .bz2"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: export it as CSV"),
    (b"SQLite format 3", "a SQLite database: read it with `kind: sql`"),
    (b"%PDF", "a PDF"),
)
MARKUP = re.compile(rb"\s*(<!doctype|<html|<head|<\?xml)", re.IGNORECASE)
JSON_TEXT = re.compile(rb"\s*(\{|\[\s*[\{\]])")
NUMERAL = r"^\s*-?[0-9][0-9.,'_\x{2019}\x{a0}\x{202f} ]*$"
# Ways to write numbers that are tried where a column is text, most common first: decimal, thousands.
NUMBER_STYLES = (
    *((",", thousands) for thousands in (None, ".", " ", "\u00a0", "\u202f", "'", "\u2019")),
    *((".", thousands) for thousands in (",", "'", "\u2019", " ", "\u00a0", "\u202f")),
)


def other_format(content: bytes) -> str | None:
    """What a file is that is no CSV file, by its first bytes."""
    for magic, name in OTHER_FORMATS:
        if content.startswith(magic):
            return f"is {name}"
    head = content.removeprefix(codecs.BOM_UTF8)[:200]
    if MARKUP.match(head):
        return "is an HTML or XML page, such as a server sends in place of a file; land it again"
    if JSON_TEXT.match(head):
        return "is JSON: convert it, or read it with a function (`kind: python`)"
    return None


def encoding_hint(content: Content, position: int, section: str) -> tuple[str, str]:
    """The encoding that a file seems to have: what is seen of it in this file, and what to set.

    Args:
        content: the file.
        position: byte that does not belong into its declared encoding.
        section: the part of the pipeline file that its reader stands in.
    """
    for mark, encoding in MARKS:
        if content[: len(mark)] == mark:
            return "", f'it begins as {encoding} does: set {section}.reader.encoding: "{encoding}"'
    head = content[:2000]
    if head.count(b"\0") > len(head) // 4:
        encoding = "utf-16-le" if head[1::2].count(b"\0") > head[::2].count(b"\0") else "utf-16-be"
        return "", f'every second byte is zero: set {section}.reader.encoding: "{encoding}"'
    if content.find(b"\0") >= 0:
        return "", "the file was not written to its end, or is not text; land it again"
    begin = max(content.rfind(b"\n", 0, position) + 1, position - 20)
    excerpt = re.split(rb"[\r\n]", content[begin : position + 20])[0]
    for encoding in ("cp1252", "latin-1"):
        try:
            read = excerpt.decode(encoding)
        except UnicodeDecodeError:
            continue
        return f"; as {encoding} it reads {read!r}", (
            f'if that is right, set {section}.reader.encoding: "{encoding}", else the encoding that the file was '
            "written in"
        )
    return "", f"set {section}.reader.encoding"


def delimiter_hint(content: Content, reader: CsvReader, section: str) -> str | None:
    """The delimiter that a file seems to have, if it is another one than was declared."""
    head = content[: 1 << 20].decode(errors="ignore")
    counts = {delimiter: _columns(head, delimiter, reader) for delimiter in LIKELY_DELIMITERS}
    likely = max(counts, key=lambda delimiter: counts[delimiter])
    if counts[likely] < 2 or likely == reader.delimiter or counts[likely] <= counts.get(reader.delimiter, 0):
        return None
    return f"the file seems to be delimited by {likely!r}: set {section}.reader.delimiter: {json.dumps(likely)}"


def _columns(head: str, delimiter: str, reader: CsvReader) -> int:
    """How many columns the first rows have, if all of them have as many."""
    rows = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, quotechar=reader.quote or '"')
    try:
        counts = {len(row) for row in islice(filter(None, rows), LOOKED_AT)}
    except csv.Error:
        return 0
    return counts.pop() if len(counts) == 1 else 0


def number_hint(text: pa.ChunkedArray, reader: CsvReader, section: str) -> str | None:
    """The `decimal` and `thousands` with which all values of a column of text are numbers; None if there are none.

    Args:
        text: the column.
        reader: how the file is declared: a `decimal` that is set is believed.
        section: the part of the pipeline file that the reader stands in.
    """
    own = Notation.of(reader)
    sample = text.drop_null().slice(0, SAMPLE)
    if not any_true(pc.match_substring_regex(sample, NUMERAL)) or is_number(inferred(text, own).type):
        return None
    fitting = []
    for decimal, thousands in NUMBER_STYLES:
        if (reader.decimal or decimal) != decimal or (reader.thousands or thousands) != thousands:
            continue
        style = replace(own, decimal=decimal, thousands=thousands)
        if is_number(inferred(sample, style).type) and is_number(inferred(text, style).type):
            fitting.append((decimal, thousands))
    if not fitting:
        return None
    ways = [
        " and ".join(f"{section}.reader.{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in keys)
        for decimal, thousands in fitting
        if (keys := _keys_to_set(reader, decimal, thousands))
    ]
    # `1,234` may be a thousand or one and a bit. Where decimals decide it, the plainer way is named alone.
    either = [way for way in ways if " and " not in way] or ways
    return f"set {', or '.join(either[:2])}"


def _keys_to_set(reader: CsvReader, decimal: str, thousands: str | None) -> list[tuple[str, str]]:
    keys = [("decimal", decimal)] if decimal != (reader.decimal or ".") else []
    return [*keys, ("thousands", thousands)] if thousands and thousands != reader.thousands else keys
