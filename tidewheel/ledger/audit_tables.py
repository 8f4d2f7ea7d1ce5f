"""The ledger's table of the audit log. Rows are only ever added: triggers of the database refuse the rest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tidewheel.ledger.tables import ACTOR, Table

_Id = BigInteger().with_variant(Integer, "sqlite")
HASH = 64
"""Hexadecimal digits of SHA-256."""


class AuditRow(Table):
    """An entry of the audit log; see `tidewheel.ledger.chain`."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        UniqueConstraint("previous", name="no_fork"),
        Index("entries_of_a_pipeline", "pipeline", "position"),
        Index("entries_of_a_record", "source", "source_id", "position"),
    )

    position: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=False)
    pipeline: Mapped[str] = mapped_column(String(63))
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(20))
    sentence: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(ACTOR))
    run_id: Mapped[str] = mapped_column(String(250))
    at: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(20))
    source_id: Mapped[int | None] = mapped_column(BigInteger)
    record: Mapped[str] = mapped_column(String(HASH))
    previous: Mapped[str] = mapped_column(String(HASH))
    hash: Mapped[str] = mapped_column(String(HASH))
