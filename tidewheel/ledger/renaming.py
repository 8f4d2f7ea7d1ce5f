"""Giving a pipeline's rows in the ledger another name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from tidewheel.ledger.tables import FigureRow, ReleaseRow, RetrainRequestRow, VerdictRow

if TYPE_CHECKING:
    from tidewheel.ledger.ledger import Ledger

# What answers keeps its name until it is stopped: the router knows it by that.
RENAMED = (VerdictRow, FigureRow, RetrainRequestRow, ReleaseRow)


def has_rows(ledger: Ledger, pipeline: str) -> bool:
    """Whether anything was ever written of a pipeline."""
    with ledger.session() as session:
        counts = (session.scalar(select(func.count()).where(table.pipeline == pipeline)) for table in RENAMED)
        return any(counts)


def rename_rows(ledger: Ledger, old: str, new: str) -> int:
    """Give verdicts, figures, requests and releases of a pipeline another name, all at once; returns how many."""
    with ledger.session() as session:
        statements = (update(table).where(table.pipeline == old).values(pipeline=new) for table in RENAMED)
        return sum(session.execute(statement).rowcount for statement in statements)  # type: ignore[attr-defined]
