"""The fields of a CSV file as text, split by Arrow."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.csv

from jobs.data.spill import BLOCK, HELD, Content, blocks, content_of, gathered
from tidewheel.spec.sections import CsvReader

LARGEST_BLOCK = 2**31 - 1  # Arrow counts the bytes of a block in an int32
LINE_ENDS = b"\r\n"


def split(content: Content, reader: CsvReader, names: Sequence[str]) -> pa.Table:
    """The rows below the header, all their fields as text.

    Args:
        content: the file, in UTF-8.
        reader: how it is written.
        names: of its columns.

    Raises:
        pyarrow.ArrowInvalid: a row has more or fewer fields than there are names.
    """
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
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
    rows, block = _between_line_ends(content), BLOCK
    while True:
        read = pa.csv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=block)
        # Arrow uses all cores for a file that it reads at once.
        read_rows = pa.csv.read_csv if len(rows) <= HELD else _batch_by_batch
        try:
            return read_rows(_Rows(rows), read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block >= min(len(content), LARGEST_BLOCK):
                raise
            block = min(block * 8, LARGEST_BLOCK)  # a row is longer than a block


def _between_line_ends(content: Content) -> Content:
    """The content without empty lines at its top, and with a line end at its end, where Arrow looks for one."""
    start = next((place for place in range(len(content)) if content[place] not in LINE_ENDS), len(content))
    ends = content[-1:] in (b"\n", b"\r")
    return content if start == 0 and ends else content_of(chain(blocks(content, start), [] if ends else [b"\n"]))


def _batch_by_batch(file: _Rows, **options: Any) -> pa.Table:
    with pa.csv.open_csv(file, **options) as opened:
        return gathered(opened, opened.schema)


class _Rows(io.RawIOBase):
    r"""A file as Arrow reads it, block by block, none of which ends between \r and \n.

    Arrow would drop the \n there, also where it stands in a quoted field.
    """

    def __init__(self, content: Content) -> None:
        self._content, self._place = content, 0

    def readable(self) -> bool:
        """It is read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many."""
        end = len(self._content) if size < 0 else self._place + size
        block = self._content[self._place : end]
        if len(block) > 1 and block[-1:] == b"\r" and end < len(self._content):
            block = block[:-1]
        self._place += len(block)
        return block
