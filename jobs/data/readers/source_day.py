"""What a source had for one day, and the rules that hold whatever it was read from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import TYPE_CHECKING

from jobs.data.reasons import RowsRefused
from jobs.data.spill import Content
from tidewheel.errors import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SourceFile:
    """A file of the source, as it was found."""

    url: str
    content: Content = field(repr=False)

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class SourceDay:
    """What a source had for one day."""

    table: pa.Table
    name: str
    files: tuple[SourceFile, ...] = ()

    @property
    def inputs(self) -> Mapping[str, str]:
        """The source's files by hash, for the manifest."""
        return {f"source/{file.url}": file.sha256 for file in self.files}


class UnreadableFile(RowsRefused):
    """A file of the source cannot be read as it was declared.

    Args:
        file: the file.
        found: see `jobs.data.reasons.DayProblem`.
        expected: see there.
        columns: see there.
    """

    def __init__(self, file: SourceFile, found: str, expected: str, columns: Sequence[str] = ()) -> None:
        super().__init__(file.url, found, expected, columns)
        self.file = file


def name_problem(names: Sequence[str], remedy: str) -> tuple[str, str] | None:
    """What is wrong with the names of a source's columns, and what is expected; None where each has one of its own.

    Args:
        names: as the source gives them.
        remedy: what a person does to give a column another name.
    """
    if unnamed := [str(position) for position, name in enumerate(names, start=1) if not name.strip()]:
        repeated = f"column {', '.join(unnamed)} of {len(names)} has no name"
        return repeated, f"expected a name for each column: {remedy}"
    stripped = [name.strip() for name in names]
    twice = [name for name in dict.fromkeys(stripped) if stripped.count(name) > 1]
    if not twice:
        return None
    repeated = ", ".join(
        f"{name!r} (columns {', '.join(str(n) for n, other in enumerate(stripped, start=1) if other == name)})"
        for name in twice
    )
    return f"two or more columns have the same name: {repeated}", f"expected different names: {remedy}"


def same_columns(files: Sequence[SourceFile], tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables of a day's files with their columns in the order of the first.

    Raises:
        UnreadableFile: a file has columns that the first has not, or lacks some.
    """
    first = tables[0].column_names
    for file, table in zip(files, tables, strict=True):
        names = table.column_names
        missing = list(filterfalse(set(names).__contains__, first))
        extra = list(filterfalse(set(first).__contains__, names))
        if missing or extra:
            sides = (("missing", missing), ("extra", extra))
            differences = "; ".join(f"{side}: {', '.join(columns)}" for side, columns in sides if columns)
            hint = did_you_mean(missing[0], extra) if missing else ""
            raise UnreadableFile(
                file,
                f"other columns than {files[0].name} of the same day ({differences}{hint})",
                "expected the same columns in all files of a day, in any order",
                [*missing, *extra],
            )
    return [table.select(first) for table in tables]
