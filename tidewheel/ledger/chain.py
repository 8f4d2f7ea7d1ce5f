"""How the audit log's entries are hashed and chained.

This is a format: entries that were hashed by it are verified by it for ever. A field that is added later, to an entry
or to a record, needs a second format beside this one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidewheel.ledger.plain_json import plain

BEFORE_THE_FIRST = "0" * 64
"""What the first entry names as the hash of the entry before it."""
RECORD_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "verdict": ("kind", "subject", "run_id", "outcome", "sentence", "inputs", "thresholds", "actor", "decided_at"),
    "promotion": ("version", "previous_version", "reason", "actor", "run_id", "promoted_at"),
    "release": ("version", "colour", "plan", "status", "reason", "run_id", "started_at", "ended_at"),
}
"""Tables whose rows are recorded, with the columns that the hash of a record covers. A pipeline may be renamed."""


@dataclass(frozen=True)
class Entry:
    """What an entry says.

    Attributes:
        pipeline: its name at that time; empty for the whole installation.
        kind: of the act: that of a verdict, or an `Act`.
        subject: what it was about.
        outcome: what was decided or done.
        sentence: the same for a person.
        actor: the person who decided or acted; empty where a policy did.
        run_id: of the run that wrote it.
        at: when.
        source: table of the row that it records; empty where there is none.
        source_id: number of that row.
        record: hash of that row; empty where the row was deleted on purpose.
    """

    pipeline: str
    kind: str
    subject: str
    outcome: str
    sentence: str
    actor: str
    run_id: str
    at: datetime
    source: str = ""
    source_id: int | None = None
    record: str = ""


def entry_hash(position: int, previous: str, entry: Entry) -> str:
    """SHA-256 of an entry with its place in the chain.

    Args:
        position: from 1, without gaps.
        previous: hash of the entry before it.
        entry: what it says.
    """
    said = (
        position,
        previous,
        entry.pipeline,
        entry.kind,
        entry.subject,
        entry.outcome,
        entry.sentence,
        entry.actor,
        entry.run_id,
        _moment(entry.at),
        entry.source,
        entry.source_id,
        entry.record,
    )
    return _sha256(said)


def record_hash(table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 of a row of one of the tables in `RECORD_COLUMNS`, as it was written or as it is read back."""
    values = {name: row[name] for name in RECORD_COLUMNS[table]}
    dated = {name: _moment(value) if isinstance(value, datetime) else value for name, value in values.items()}
    return _sha256(plain(dated))


def _moment(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite keeps no time zone
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
