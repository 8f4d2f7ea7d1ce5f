"""Giving a pipeline's rows in the ledger another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from tidewheel.ledger.tables import EndpointRow, Table

if TYPE_CHECKING:
    from tidewheel.ledger.ledger import Ledger


def has_rows(ledger: Ledger, pipeline: str) -> bool:
    """Whether anything was ever written of a pipeline."""
    with ledger.session() as session:
        counts = (session.scalar(select(func.count()).where(table.pipeline == pipeline)) for table in _tables())
        return any(counts)


def rename_rows(ledger: Ledger, old: str, new: str) -> int:
    """Give all rows of a pipeline another name, all at once; returns how many."""
    with ledger.session() as session:
        statements = (update(table).where(table.pipeline == old).values(pipeline=new) for table in _tables())
        return sum(session.execute(statement).rowcount for statement in statements)  # type: ignore[attr-defined]


def _tables() -> list[Any]:
    """Every table that knows pipelines, except what answers: that keeps its name until it is stopped, as the router."""
    found = [mapper.class_ for mapper in Table.registry.mappers if "pipeline" in mapper.columns]
    return [table for table in found if table is not EndpointRow]
