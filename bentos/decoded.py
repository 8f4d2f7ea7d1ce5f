"""Rows on their way from the process that decodes them to the one that answers.

Numbers and codes as bytes, texts as JSON: reading them runs nothing that they contain.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pydantic_core

from bentos.encoding import Coded, Columns
from bentos.problems import RequestRefused
from bentos.request import CheckedRows

if TYPE_CHECKING:
    from bentos.encoding import Values
    from bentos.packaged import Packaged

COUNT = struct.Struct("<q")


def write_rows(rows: CheckedRows) -> bytes:
    """As `read_rows` reads it."""
    coded = [_coded(values) for values in rows.columns.categories]
    texts = {"categories": [each.values for each in coded], "key": [list(values) for values in rows.key]}
    codes = [np.asarray(each.codes, np.int64).tobytes() for each in coded]
    numbers = np.ascontiguousarray(rows.columns.numbers, np.float64).tobytes()
    return b"".join([COUNT.pack(len(rows)), numbers, *codes, pydantic_core.to_json(texts)])


def read_rows(content: bytes | bytearray, packaged: Packaged) -> CheckedRows:
    """The rows that `write_rows` wrote."""
    (count,) = COUNT.unpack_from(content)
    width = len(packaged.contract.numbers)
    numbers = np.frombuffer(content, np.float64, count * width, COUNT.size).reshape(count, width)
    begin = COUNT.size + numbers.nbytes
    codes = np.frombuffer(content, np.int64, count * len(packaged.contract.categories), begin)
    texts = pydantic_core.from_json(memoryview(content)[begin + codes.nbytes :].tobytes())
    categories = tuple(
        Coded(each.astype(np.intp), tuple(values))
        for each, values in zip(codes.reshape(-1, count), texts["categories"], strict=True)
    )
    return CheckedRows(Columns(numbers, categories), tuple(texts["key"]))


def write_refusal(refusal: RequestRefused) -> bytes:
    """As `read_refusal` reads it."""
    return pydantic_core.to_json([refusal.status, str(refusal), refusal.details])


def read_refusal(content: bytes | bytearray) -> RequestRefused:
    """The refusal that `write_refusal` wrote."""
    status, sentence, details = pydantic_core.from_json(content)
    return RequestRefused(status, sentence, details)


def _coded(values: Values) -> Coded:
    if isinstance(values, Coded):
        return values
    places: dict[Any, int] = {}
    codes: Sequence[int] = [places.setdefault(value, len(places)) for value in values]
    return Coded(np.array(codes, np.intp), tuple(places))
