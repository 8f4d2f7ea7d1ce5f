"""Verifies the audit log: that no entry was altered, deleted, inserted or moved, and that its records stand as written.

What it cannot see: that everything after some entry was deleted from the log and from the ledger's other tables alike,
or that a chain was hashed anew from some entry on. A hash of a later entry that was noted elsewhere reveals both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from tidewheel.ledger.audit import READ_AT_ONCE, entries
from tidewheel.ledger.audit_tables import AuditRow
from tidewheel.ledger.chain import BEFORE_THE_FIRST, Entry, entry_hash, record_hash
from tidewheel.ledger.tables import PromotionRow, ReleaseRow, Table, VerdictRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tidewheel.ledger.ledger import Ledger

MOST_FINDINGS = 20
"""As many are named; where more are altered, all may be."""
SHORTEST_HEAD = 12
"""Characters of a hash that identify an entry."""
_TABLES: dict[str, type[Table]] = {"verdict": VerdictRow, "promotion": PromotionRow, "release": ReleaseRow}
_SAID = (
    *("pipeline", "kind", "subject", "outcome", "sentence", "actor", "run_id", "at"),
    *("source", "source_id", "record"),
)


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes:
        entries: how many there are.
        head: hash of the last entry; to be noted elsewhere.
        begun: when the first entry was made.
        findings: what is wrong, each in a sentence; empty where nothing is.
    """

    entries: int
    head: str
    begun: datetime | None
    findings: tuple[str, ...]


def verify(ledger: Ledger, head: str = "") -> Verification:
    """Read the whole log and what it records.

    Args:
        ledger: that holds it.
        head: hash of an entry, or its beginning, that was noted earlier and must still be there.
    """
    walk = _Walk(head)
    # The records first: one that is written meanwhile has its entry when the chain is read.
    with ledger.session() as session:
        records = list(islice(_records(session), MOST_FINDINGS))
    found = tuple(islice(chain(walk.findings(entries(ledger)), records), MOST_FINDINGS))
    return Verification(walk.count, walk.hash, walk.begun, found)


class _Walk:
    """Goes along the chain, entry by entry."""

    def __init__(self, head: str) -> None:
        self.count, self.position, self.hash = 0, 0, BEFORE_THE_FIRST
        self.begun: datetime | None = None
        self._head = head

    def findings(self, rows: Iterator[AuditRow]) -> Iterator[str]:
        """What is wrong with the chain."""
        head_seen = False
        for row in rows:
            self.begun = self.begun or row.at
            yield from self._link(row)
            self.count, self.position, self.hash = self.count + 1, row.position, row.hash
            head_seen = head_seen or bool(self._head and row.hash.startswith(self._head))
        if not self.count:
            yield "the log is empty: its first entry, which the upgrade to it wrote, was deleted"
        if self._head and not head_seen:
            yield (
                f"no entry has the hash {self._head}, which was noted earlier: the log was cut off before that entry, "
                f"or written anew; it ends with entry {self.position} now"
            )

    def _link(self, row: AuditRow) -> Iterator[str]:
        expected = self.position + 1
        if row.position != expected:
            last = row.position - 1
            which = f"entry {expected} is" if expected == last else f"entries {expected} to {last} are"
            yield f"{which} missing before {_name(row)}: deleted"
        elif row.previous != self.hash:
            yield (
                f"{_name(row)} does not follow on entry {self.position}: it names {row.previous[:SHORTEST_HEAD]} as "
                f"the hash of the entry before it, expected {self.hash[:SHORTEST_HEAD]}; one of the two was replaced, "
                "inserted or moved"
            )
        entry = Entry(**{name: getattr(row, name) for name in _SAID})
        if (computed := entry_hash(row.position, row.previous, entry)) != row.hash:
            yield (
                f"{_name(row)} was altered after it was written: its content has the hash {computed[:SHORTEST_HEAD]}, "
                f"expected {row.hash[:SHORTEST_HEAD]}"
            )


def _records(session: Session) -> Iterator[str]:
    """What is wrong with the rows that entries record."""
    for name, table in _TABLES.items():
        newest = (
            select(AuditRow.source_id, func.max(AuditRow.position).label("position"))
            .where(AuditRow.source == name)
            .group_by(AuditRow.source_id)
            .subquery()
        )
        recorded = select(AuditRow).join(newest, AuditRow.position == newest.c.position).subquery()
        columns: Any = table.__table__
        query = select(columns, recorded.c.position.label("_position"), recorded.c.record.label("_record"))
        query = query.outerjoin(recorded, recorded.c.source_id == columns.c.id).order_by(columns.c.id)
        for row in session.execute(query.execution_options(yield_per=READ_AT_ONCE)).mappings():
            yield from _compare(name, row)
        gone = select(recorded.c.position, recorded.c.source_id)
        gone = gone.outerjoin(columns, recorded.c.source_id == columns.c.id)
        gone = gone.where(and_(columns.c.id.is_(None), recorded.c.record != ""))
        for position, number in session.execute(gone.order_by(recorded.c.position)):
            yield f"row {number} of the table {name}, which entry {position} records, was deleted"


def _compare(table: str, row: Any) -> Iterator[str]:
    what = f"row {row['id']} of the table {table} ({row['pipeline']})"
    if row["_position"] is None:
        yield f"{what} has no entry: it was inserted past the log, or its entry was deleted from the log's end"
    elif record_hash(table, row) != row["_record"]:
        yield f"{what} is not what entry {row['_position']} records: it was altered after it was written"


def _name(row: AuditRow) -> str:
    of = f" of {row.pipeline}" if row.pipeline else ""
    return f"entry {row.position} ({row.at:%Y-%m-%d %H:%M}, {row.kind}{of}: {row.subject})"
