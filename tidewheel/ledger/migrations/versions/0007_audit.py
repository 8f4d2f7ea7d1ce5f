"""The audit log. What was decided before is taken in as it stands, as the beginning of its chain."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

from tidewheel.actor import operating_system_user
from tidewheel.errors import LedgerError
from tidewheel.ledger.chain import BEFORE_THE_FIRST, RECORD_COLUMNS, Entry, entry_hash, record_hash

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIMES = {"verdict": "decided_at", "promotion": "promoted_at", "release": "started_at"}
_JSON = {"inputs", "thresholds", "plan"}
_AT_ONCE = 1_000

_POSTGRESQL = (
    """
    CREATE FUNCTION audit_entry_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP;
    END $$
    """,
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_is_append_only()
    """,
    """
    CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_append_only()
    """,
)
_SQLITE = tuple(
    f"CREATE TRIGGER no_{statement.lower()} BEFORE {statement} ON audit_entry "
    f"BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: {statement} is refused'); END"
    for statement in ("UPDATE", "DELETE")
)


def upgrade() -> None:
    entries = op.create_table(
        "audit_entry",
        sa.Column("position", _ID, autoincrement=False, nullable=False),
        sa.Column("pipeline", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("record", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.UniqueConstraint("previous", name="no_fork"),
    )
    op.create_index("entries_of_a_pipeline", "audit_entry", ["pipeline", "position"])
    op.create_index("entries_of_a_record", "audit_entry", ["source", "source_id", "position"])
    bind = op.get_bind()
    chained = _chained(bind)
    while rows := list(islice(chained, _AT_ONCE)):
        bind.execute(sa.insert(entries), rows)
    for statement in _SQLITE if bind.dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    raise LedgerError(
        "the ledger's form 0007 cannot be taken back: its audit log, which is append-only, would be deleted; to go "
        "back to an earlier version of Tidewheel, restore the backup of the ledger from before the upgrade"
    )


def _chained(bind: sa.Connection) -> Iterator[dict[str, Any]]:
    previous = BEFORE_THE_FIRST
    for position, entry in enumerate(_all(bind), start=1):
        hashed = entry_hash(position, previous, entry)
        yield {"position": position, **asdict(entry), "previous": previous, "hash": hashed}
        previous = hashed


def _all(bind: sa.Connection) -> Iterator[Entry]:
    """What was decided so far in the order of time, and since when the chain holds."""
    taken = 0
    for _, _, entry in heapq.merge(*(_rows(bind, table) for table in _TIMES)):
        taken += 1
        yield entry
    before = f"; {taken:,} records from before it are taken in as they stood then" if taken else ""
    sentence = f"the chain holds from here on{before}"
    yield Entry("", "chain", "audit log", "begun", sentence, operating_system_user(), "", datetime.now(UTC))


def _rows(bind: sa.Connection, table: str) -> Iterator[tuple[str, tuple[str, int], Entry]]:
    time = _TIMES[table]
    columns = {name: sa.column(name, _type(name)) for name in ("id", "pipeline", *RECORD_COLUMNS[table])}
    query = sa.select(*columns.values()).select_from(sa.table(table)).order_by(columns[time], columns["id"])
    for row in bind.execute(query.execution_options(yield_per=_AT_ONCE)).mappings():
        entry = _ENTRIES[table](_Row(row, time, table))
        yield entry.at.astimezone(UTC).isoformat(timespec="microseconds"), (table, row["id"]), entry


class _Row(NamedTuple):
    """A row, the name of its time, and of its table."""

    columns: Any
    time: str
    table: str


def _type(name: str) -> Any:
    if name in _JSON:
        return sa.JSON()
    return sa.DateTime(timezone=True) if name.endswith("_at") else None


def _entry(source: _Row, kind: str, subject: str, outcome: str, sentence: str, actor: str) -> Entry:
    row, time, table = source
    at = row[time] if row[time].tzinfo else row[time].replace(tzinfo=UTC)
    record = record_hash(table, row)
    return Entry(row["pipeline"], kind, subject, outcome, sentence, actor, row["run_id"], at, table, row["id"], record)


def _verdict(source: _Row) -> Entry:
    row = source.columns
    return _entry(source, row["kind"], row["subject"], row["outcome"], row["sentence"], row["actor"])


def _promotion(source: _Row) -> Entry:
    row = source.columns
    sentence = f"version {row['version']} is the champion" + (f": {row['reason']}" if row["reason"] else "")
    return _entry(source, "promotion", f"version {row['version']}", "promoted", sentence, row["actor"])


def _release(source: _Row) -> Entry:
    row = source.columns
    sentence = f"release {row['id']}: {row['reason'] or row['plan'].get('sentence', '')}"
    return _entry(source, "release", f"version {row['version']}", row["status"], sentence, "")


_ENTRIES = {"verdict": _verdict, "promotion": _promotion, "release": _release}
