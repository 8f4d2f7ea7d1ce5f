"""Which rows are a person's: those with given values in columns of the pipeline's key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bentos.segments import KEY
from jobs.data.request_log import DATASET
from tidewheel.errors import UsageError, did_you_mean
from tidewheel.lake.key_text import key_value

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class KeyRows:
    """Rows that have these values.

    Attributes:
        values: by column of the pipeline's key, as text.
    """

    values: Mapping[str, str]

    @classmethod
    def parse(cls, pipeline: Pipeline, given: Sequence[str]) -> KeyRows:
        """Read `VALUE` or `COLUMN=VALUE`.

        Args:
            pipeline: says what the key is.
            given: as a person wrote them; of a key of several columns one is enough, if it says whose a row is.

        Raises:
            UsageError: a column is none of the key, or is there twice; or it is not said which one is meant.
        """
        values: dict[str, str] = {}
        for text in given:
            column, separator, value = text.partition("=")
            if not separator or (column not in pipeline.key and len(pipeline.key) == 1):
                column, value = pipeline.key[0], text
                if len(pipeline.key) > 1:
                    raise UsageError(
                        f"--key {text!r} names no column, and the key of {pipeline.name} has several; expected "
                        f"COLUMN=VALUE with one of {', '.join(pipeline.key)}"
                    )
            if column not in pipeline.key:
                hint = did_you_mean(column, pipeline.key)
                raise UsageError(f"{column!r} is no column of the key ({', '.join(pipeline.key)}){hint}")
            if column in values or not value:
                raise UsageError(f"--key {text!r}: expected one value for {column}")
            values[column] = value
        return cls(values)

    @property
    def digest(self) -> str:
        """SHA-256 of the columns and values; of a short value it can be guessed by trying."""
        return hashlib.sha256(json.dumps(dict(self.values), sort_keys=True).encode()).hexdigest()

    def columns(self, dataset: str) -> list[str]:
        """See `tidewheel.lake.erasure.RowSelection`."""
        return [f"{KEY}{name}" if dataset == DATASET else name for name in self.values]

    def of(self, dataset: str, table: pa.Table) -> pa.ChunkedArray:
        """See `tidewheel.lake.erasure.RowSelection`."""
        columns = zip(self.columns(dataset), self.values.values(), strict=True)
        return reduce(pc.and_, (_equal(table[name], value) for name, value in columns))

    def in_text(self, content: bytes) -> bool:
        """Whether a text names all the values, each as a word of its own."""
        return all(
            re.search(rb"(?<![0-9A-Za-z_])" + re.escape(value.encode()) + rb"(?![0-9A-Za-z_])", content)
            for value in self.values.values()
        )


def _equal(column: pa.ChunkedArray, text: str) -> pa.ChunkedArray:
    """Whether each value is what the text says: the number 7 is `7`, and the text 7 is too."""
    value = key_value(text, column.type)
    if value is None:
        return pa.chunked_array([pa.repeat(pa.scalar(False), len(column))])
    return pc.fill_null(pc.equal(column.cast(value.type), value), False)
