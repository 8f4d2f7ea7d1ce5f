"""How the types of a day's columns are decided: declared, else as on the days before, else as the source has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from jobs.data.column_names import other_case
from jobs.data.column_types import DECLARED, as_landed, family, in_words
from jobs.data.conversions import brought, first_misfit, read_as, together, wider
from jobs.data.published_types import PublishedType, Schemas, around, largest_integer
from jobs.data.reasons import RowsRefused
from jobs.data.spill import each_column

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tidewheel.lake import Lake, Manifest
    from tidewheel.partitions import PartitionRange
    from tidewheel.spec.sections import ColumnType

EXACT = 2**53
"""Every integer up to here is a float64."""
_CODES = ("integer", "boolean")
"""What a column of a text file looks like while its codes happen to be of digits, or of two words."""


@dataclass(frozen=True)
class DayTypes:
    """What is known of the columns' types before a day is looked at.

    Attributes:
        section: of the pipeline file, for messages: `source` or `labels`.
        declared: types that the pipeline file names.
        published: types on the newest published days.
        landed: types on the days that this run has landed so far, and the source of the day that gave them.
        rewritable: whether the source is text that can be read again as text, as CSV is.
        exempt: columns that have rules of their own: event time and label.
    """

    section: str
    declared: Mapping[str, ColumnType]
    published: Mapping[str, PublishedType]
    landed: Mapping[str, PublishedType]
    rewritable: bool
    exempt: Collection[str] = ()

    def to_read(self, key: Sequence[str]) -> dict[str, pa.DataType]:
        """Types in which a file of text is read: those of text, and those declared. Others are brought afterwards."""
        texts = {name: known.kind for name, known in self._known.items() if known.kind == pa.string()}
        kinds = {name: DECLARED[word] for name, word in self.declared.items()}
        return {**dict.fromkeys(key, pa.string()), **texts, **kinds} if self.rewritable else {}

    @property
    def _known(self) -> Mapping[str, PublishedType]:
        return {**self.published, **self.landed}

    def bring(self, table: pa.Table, source: str) -> pa.Table:
        """A day's table with each column in its type.

        Raises:
            DataRefused: a column cannot have its type without a changed value, or has no type in the lake.
        """
        return each_column(table, lambda name, column: self._brought(column, name, source))

    def _brought(self, column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
        if name in self.exempt and name not in self.declared:
            return column
        self._same_spelling(name, source)
        if name in self.declared:
            return self._declared(column, name, source)
        column = as_landed(column, name, source)
        known = self._known.get(name)
        return column if known is None else self._like_known(column, name, known, source)

    def after(self, table: pa.Table, source: str) -> DayTypes:
        """What is known once a day has been landed."""
        now = {
            field.name: PublishedType(field.type, source)
            for field in table.schema
            if not pa.types.is_null(field.type) and field.name not in self.exempt
        }
        return replace(self, landed={**self.landed, **now})

    def as_text(self, name: str) -> DayTypes:
        """The same, with a column that this run takes for text from now on."""
        return replace(self, landed={**self.landed, name: PublishedType(pa.string(), self.landed[name].batch)})

    def differs(self, landed: pa.Schema) -> bool:
        """Whether a day that was landed before has a column in another type than is known now."""
        return any(
            field.name in self.landed and field.type != self.landed[field.name].kind
            for field in landed
            if field.name not in self.exempt
        )

    def _declared(self, column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
        kind = DECLARED[self.declared[name]]
        plain = column if pa.types.is_timestamp(column.type) else as_landed(column, name, source)
        if (there := read_as(plain, kind)) is not None:
            return there
        misfit = first_misfit(plain, lambda values: read_as(values, kind) is not None)
        raise RowsRefused(
            source,
            f"column {name!r} holds {in_words(column.type)}, for example {misfit}",
            f"{self.section}.types declares it as {self.declared[name]}; correct the value, or the declaration",
            [name],
        )

    def _like_known(self, column: pa.ChunkedArray, name: str, known: PublishedType, source: str) -> pa.ChunkedArray:
        if (there := brought(column, known.kind)) is not None:
            return there
        both = wider(known.kind, column.type)
        if both is not None and (there := brought(column, both)) is not None:
            return there
        if self.rewritable and name not in self.published and family(known.kind) in _CODES:
            if pa.types.is_string(column.type):
                return column  # the earlier days of this run are read again, as text
            raise ReadAsText(name)
        misfit = first_misfit(column, lambda values: brought(values, known.kind) is not None)
        raise RowsRefused(
            source,
            f"column {name!r} holds {in_words(column.type)}, for example {misfit}; until now it held "
            f"{in_words(known.kind)} ({known.batch})",
            "if the value is a mistake, correct it; if the column is to have another type, declare it, for example "
            f"`{self.section}.types: {{{_yaml(name)}: text}}`, and land the earlier days again",
            [name],
        )

    def _same_spelling(self, name: str, source: str) -> None:
        other = None if name in self._known else other_case(name, self._known)
        if other is not None:
            raise RowsRefused(
                source,
                f"column {name!r} was called {other!r} until now ({self._known[other].batch}), and Spark takes the two "
                "for one",
                "give it the name that it had, or land the earlier days again",
                [name],
            )


class ReadAsText(Exception):
    """Two days of one run hold different things in a column of a text file: the day is to be read with it as text."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def check_around(
    lake: Lake, dataset: str, days: PartitionRange, reach: int, types: DayTypes, staged: Sequence[Manifest]
) -> str | None:
    """Whether features can read some days side by side with the published days around them.

    Looked at only where a column has come, or has changed its type; a plain night reads no manifest here.

    Args:
        lake: the pipeline's lake.
        dataset: `landing` or `labels`.
        days: the days that were landed.
        reach: how many days features look back.
        types: what is known after the last of these days.
        staged: their batches.

    Returns:
        What is wrong and what to do; None where nothing is.
    """
    newly = {
        name: now.kind
        for name, now in types.landed.items()
        if name not in types.published or types.published[name].kind != now.kind
    }
    if not newly or not staged:
        return None
    schemas = Schemas(lake)
    for manifest in around(lake, dataset, days, reach):
        for field in schemas.of(manifest):
            if (other := other_case(field.name, newly)) is not None and field.name not in newly:
                return (
                    f"{dataset} of {days}: column {other!r} is called {field.name!r} in {manifest.key}, which features "
                    "read side by side with it, and Spark takes the two for one; give it the name that it had"
                )
            kind = newly.get(field.name)
            if kind is None or field.type == kind:
                continue
            both = together(field.type, kind)
            if both is None or _loses(lake, manifest, field, both):
                return (
                    f"{dataset} of {days}: column {field.name!r} holds {in_words(kind)}, and {in_words(field.type)} in "
                    f"{manifest.key}, which features read side by side with it; land these days again in one range "
                    f"with {manifest.partition}, and those around it that have the column so"
                )
    return None


def _loses(lake: Lake, manifest: Manifest, field: pa.Field, both: pa.DataType) -> bool:
    if not (pa.types.is_integer(field.type) and pa.types.is_floating(both)):
        return False
    largest = largest_integer(lake, manifest, field.name)
    return largest is None or largest > EXACT


def _yaml(name: str) -> str:
    """A column's name as it stands in the pipeline file."""
    return name if name.isidentifier() else json.dumps(name, ensure_ascii=False)
