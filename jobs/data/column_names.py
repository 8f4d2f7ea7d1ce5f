"""Names of columns that can be landed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobs.data.reasons import RowsRefused

PARTITION = "partition"
"""Column that the platform adds to rows and labels: their day."""
DOTTED, DOTLESS = "\u0130", "\u0131"
OURS = "_tidewheel_"
"""What the names of columns begin with that stand beside a team's own for a while."""


def check_names(names: Sequence[str], source: str) -> None:
    """See that each column can be named in a transform, a rule and a feature.

    Args:
        names: of the columns, in order.
        source: file, query or function they came from, for the message.

    Raises:
        DataRefused: a name is there twice, differs from another by case only, is empty, begins or ends with a blank,
            or is one that the platform uses.
    """
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RowsRefused(
            source, f"column {', '.join(twice)} is there twice", "rule: a column has a name of its own", twice
        )
    if alike := _alike(names):
        raise RowsRefused(
            source,
            f"columns {' and '.join(map(repr, alike))} differ by upper and lower case only, and are one column to "
            "Spark",
            "rename one of them in the source, the query or the reader",
            alike,
        )
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise RowsRefused(source, f"column {place} of {len(names)} has no name", "name it or leave it out")
        if name != name.strip():
            raise RowsRefused(
                source,
                f"column {name!r} begins or ends with a blank, and would be missed as {name.strip()!r}",
                "write the name without it in the source, the query or the reader",
                [name],
            )
        if name.casefold() == PARTITION or name.casefold().startswith(OURS):
            raise RowsRefused(
                source,
                f"column {name!r} has a name that the platform itself uses ({PARTITION} is the day of a row, {OURS} "
                "begins its own)",
                "rename it in the source, the query or the reader",
                [name],
            )


def other_case(name: str, names: Iterable[str]) -> str | None:
    """The name among others that differs from this one by case only."""
    return next((other for other in names if other != name and without_case(other) == without_case(name)), None)


def without_case(name: str) -> str:
    """A name as Spark compares it: Turkish i with and without a dot are one letter to Java, in whatever language."""
    return name.replace(DOTTED, "i").replace(DOTLESS, "i").casefold()


def _alike(names: Sequence[str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        if (other := first.setdefault(without_case(name), name)) != name:
            return [other, name]
    return []
