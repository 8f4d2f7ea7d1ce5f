"""How much of the disk the prediction log may take: of one request, and of a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from bentos.encoding import Coded

if TYPE_CHECKING:
    from bentos.encoding import Matrix, Values

ROW_BYTES = 48
"""Of a row's time, number, version, colour and prediction."""
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class LogLimits:
    """Limits of one process's log.

    Attributes:
        request_bytes: of one request; its first rows are written, as many as fit.
        day_bytes: of a day's files of this colour; what comes after them is not written.
        segment_bytes: of a file, which is followed by another for the same time.
        folder_bytes: of all files that lie in the folder; None for no limit. Beyond it the disk counts as full, until
            files have been taken away.
    """

    request_bytes: int = 8 * MEGABYTE
    day_bytes: int = 10 * 1024 * MEGABYTE
    segment_bytes: int = 64 * MEGABYTE
    folder_bytes: int | None = None


USUAL = LogLimits()


def row_sizes(count: int, fixed: int, texts: Iterable[Sequence[int | str | None] | Values]) -> Matrix:
    """Bytes of each row in the log.

    Args:
        count: of the rows.
        fixed: bytes that every row has.
        texts: columns whose values are of different length.
    """
    sizes: Matrix = np.full(count, fixed)
    for values in texts:
        if isinstance(values, Coded):
            sizes += np.array([_size(value) for value in values.values], np.int64)[values.codes]
        else:
            sizes += np.fromiter(map(_size, values), np.int64, count)
    return sizes


def fitting(sizes: Matrix, limit: int) -> int:
    """How many of the first rows are within a limit."""
    return int(np.searchsorted(np.cumsum(sizes), limit, side="right"))


def first_of(values: Sequence[int | str | None] | Values, count: int) -> list[int | str | None]:
    """The first values of a column."""
    if isinstance(values, Coded):
        return list(Coded(values.codes[:count], values.values))
    return list(islice(values, count))


def _size(value: int | str | None) -> int:
    if value is None:
        return 0
    text = str(value)
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
