"""Groups of rows that are compared with one another: the values of a column, or the combinations of two columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from tidewheel.spec.sections import Column

Groups = Column | Annotated[list[Column], Field(min_length=2, max_length=2)]
"""A column, or two whose combinations are the groups."""


def group_columns(groups: str | Sequence[str]) -> list[str]:
    """The columns that groups are made of."""
    return [groups] if isinstance(groups, str) else list(groups)


def group_name(groups: str | Sequence[str]) -> str:
    """What groups are called in reports and in the ledger: `region`, or `region & sex`."""
    return " & ".join(group_columns(groups))
