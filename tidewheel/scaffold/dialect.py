"""How a CSV file is written: its encoding, what parts its fields, and how its numbers look."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_BYTES = 1 << 20
LINES = 200
DELIMITERS = ",;\t|"
# 1.234,50 and 1234,50: a decimal comma. 1,234.50: a thousands comma.
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+(\.\d{3})*,\d+$")
_THOUSANDS_POINT = re.compile(r"^[+-]?\d{1,3}(\.\d{3})+,\d+$")
_THOUSANDS_COMMA = re.compile(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")


@dataclass(frozen=True)
class Dialect:
    """What must be known to read a CSV file; the defaults are what a reader takes by itself."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str | None = None
    encoding: str = "utf-8"

    @property
    def keys(self) -> dict[str, str]:
        """The keys that a reader in a pipeline file needs: those that differ from the defaults."""
        usual = Dialect()
        found = {name: getattr(self, name) for name in ("delimiter", "decimal", "thousands", "encoding")}
        return {name: value for name, value in found.items() if value != getattr(usual, name)}


def sniff(head: bytes) -> Dialect:
    """The dialect of a file by its beginning.

    Args:
        head: the first `HEAD_BYTES` of the file, or all of it.
    """
    encoding = _encoding(head)
    lines = head.decode(encoding, errors="ignore").splitlines()[:LINES]
    delimiter = max(DELIMITERS, key=lambda one: _agreement(lines, one))
    cells = [cell.strip() for row in csv.reader(lines, delimiter=delimiter) for cell in row]
    decimal_comma = any(_DECIMAL_COMMA.match(cell) and not _THOUSANDS_COMMA.match(cell) for cell in cells)
    thousands = None
    if decimal_comma and any(_THOUSANDS_POINT.match(cell) for cell in cells):
        thousands = "."
    elif not decimal_comma and any(_THOUSANDS_COMMA.match(cell) for cell in cells):
        thousands = ","
    return Dialect(delimiter, "," if decimal_comma else ".", thousands, encoding)


def _encoding(head: bytes) -> str:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character that the end of the head has cut
            return "windows-1252" if any(0x80 <= byte <= 0x9F for byte in head) else "latin-1"
    return "utf-8"


def _agreement(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """How many lines have as many fields as most have, and how many fields that are; one field says nothing."""
    counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    if not counts:
        return 0.0, 0
    fields, agreeing = counts.most_common(1)[0]
    return (agreeing / sum(counts.values()) if fields > 1 else 0.0), fields
