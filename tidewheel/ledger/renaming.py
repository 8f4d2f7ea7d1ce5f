"""Giving a pipeline's rows in the ledger another name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from tidewheel.actor import operating_system_user
from tidewheel.ledger.audit import Act, append
from tidewheel.ledger.audit_tables import AuditRow
from tidewheel.ledger.chain import Entry
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
        renamed: int = sum(session.execute(statement).rowcount for statement in statements)  # type: ignore[attr-defined]
        if renamed:
            sentence = f"{old} is {new} from here on"
            actor, now = operating_system_user(), datetime.now(UTC)
            append(session, Entry(old, Act.RENAMING, new, "renamed", sentence, actor, run_id="", at=now))
    return renamed


def _tables() -> list[Any]:
    """Every table that knows pipelines, except two.

    What answers keeps its name until it is stopped, as the router does; an entry of the audit log keeps it for good.
    """
    found = [mapper.class_ for mapper in Table.registry.mappers if "pipeline" in mapper.columns]
    return [table for table in found if table not in (EndpointRow, AuditRow)]
