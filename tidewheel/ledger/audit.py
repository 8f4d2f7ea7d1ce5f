"""The audit log: who decided or did what. Whatever writes a decision appends its entry in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, or_, select

from tidewheel.ledger.audit_tables import AuditRow
from tidewheel.ledger.chain import BEFORE_THE_FIRST, Entry, entry_hash, record_hash
from tidewheel.ledger.locks import one_at_a_time

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from tidewheel.ledger.ledger import Ledger
    from tidewheel.ledger.tables import ReleaseRow

READ_AT_ONCE = 1_000


class Act(StrEnum):
    """Kinds of entries beside those of verdicts."""

    PROMOTION = "promotion"
    RELEASE = "release"
    ROLLBACK = "rollback"
    ENDPOINT = "endpoint"
    RENAMING = "renaming"
    RETIREMENT = "retirement"
    ERASURE = "erasure"
    ADOPTION = "adoption"
    REMOVAL = "removal"
    ALERT = "alert"
    CHAIN = "chain"


def append(session: Session, entry: Entry) -> None:
    """Add an entry at the end of the chain. To be called last in a transaction: others wait for its end.

    An entry about a row whose newest entry says that very row already is not added again.
    """
    session.flush()
    one_at_a_time(session, "audit log")
    if entry.source and _newest_record(session, entry) == entry.record:
        return
    head = session.execute(select(AuditRow.position, AuditRow.hash).order_by(AuditRow.position.desc()).limit(1)).first()
    position, previous = (head.position + 1, head.hash) if head else (1, BEFORE_THE_FIRST)
    session.add(
        AuditRow(position=position, **asdict(entry), previous=previous, hash=entry_hash(position, previous, entry))
    )
    session.flush()


def append_verdict(session: Session, row_id: int, values: Mapping[str, Any]) -> None:
    """Add the entry of a verdict that was just written.

    Args:
        session: the transaction that wrote it.
        row_id: number of its row.
        values: of its columns.
    """
    names = ("pipeline", "kind", "subject", "outcome", "sentence", "actor", "run_id")
    entry = Entry(
        **{name: values[name] for name in names},
        at=values["decided_at"],
        source="verdict",
        source_id=row_id,
        record=record_hash("verdict", values),
    )
    append(session, entry)


def release_entry(row: ReleaseRow, outcome: str, sentence: str, actor: str, at: datetime) -> Entry:
    """The entry of a release that has begun or ended."""
    columns = {column.name: getattr(row, column.name) for column in row.__table__.columns}
    return Entry(
        pipeline=row.pipeline,
        kind=Act.RELEASE,
        subject=f"version {row.version}",
        outcome=outcome,
        sentence=f"release {row.id}: {sentence}",
        actor=actor,
        run_id=row.run_id,
        at=at,
        source="release",
        source_id=row.id,
        record=record_hash("release", columns),
    )


class VersionOf(NamedTuple):
    """A version of a pipeline's model."""

    pipeline: str
    version: str


def version_act(act: Act, of: VersionOf, outcome: str, sentence: str, actor: str, run_id: str = "") -> Entry:
    """The entry of an act that is about a version, and recorded by no row that stays."""
    return Entry(of.pipeline, act, f"version {of.version}", outcome, sentence, actor, run_id, datetime.now(UTC))


def note(ledger: Ledger, entry: Entry) -> None:
    """Add the entry of an act that writes nothing else into the ledger."""
    with ledger.session() as session:
        append(session, entry)


def entries(ledger: Ledger, pipeline: str | None = None, since: datetime | None = None) -> Iterator[AuditRow]:
    """Entries in the order of the chain, read as they are needed.

    Args:
        ledger: that holds them.
        pipeline: only its own, also of the time when it had another name; default: all.
        since: only those of this time and later.
    """
    query = select(AuditRow).order_by(AuditRow.position).execution_options(yield_per=READ_AT_ONCE)
    if since is not None:
        query = query.where(AuditRow.at >= since.astimezone(UTC))
    with ledger.session() as session:
        if pipeline is not None:
            query = query.where(_of(session, pipeline))
        yield from session.scalars(query)


def newest(ledger: Ledger, pipeline: str, limit: int) -> list[AuditRow]:
    """The newest entries of a pipeline, newest first."""
    with ledger.session() as session:
        query = select(AuditRow).where(_of(session, pipeline)).order_by(AuditRow.position.desc()).limit(limit)
        return list(session.scalars(query))


def _of(session: Session, pipeline: str) -> ColumnElement[bool]:
    """Entries of a pipeline, and those of the names that it had before, up to when it was renamed."""
    chosen = [AuditRow.pipeline == pipeline]
    names = [pipeline]
    for name in names:
        renamed = select(AuditRow).where(AuditRow.kind == Act.RENAMING, AuditRow.subject == name)
        for row in session.scalars(renamed):
            chosen.append(and_(AuditRow.pipeline == row.pipeline, AuditRow.position <= row.position))
            if row.pipeline not in names:
                names.append(row.pipeline)
    return or_(*chosen)


def _newest_record(session: Session, entry: Entry) -> str | None:
    about = AuditRow.source == entry.source, AuditRow.source_id == entry.source_id
    return session.scalar(select(AuditRow.record).where(*about).order_by(AuditRow.position.desc()).limit(1))
