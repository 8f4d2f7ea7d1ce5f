"""Files and sentences that may name a key: raw files in quarantine, reports, records of runs, and the ledger."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tidewheel.lake.lake import QUARANTINE
from tidewheel.lake.litter import MANIFEST
from tidewheel.ledger.audit_tables import AuditRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.erasure.key_rows import KeyRows
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger

SHORTEST_SEARCHED = 4
"""Characters: a shorter value stands in many texts that do not mean it."""
BINARY = (b"PAR1", b"\x1f\x8b", b"PK", b"ARROW1", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""How files begin that are no text: Parquet, Arrow, and archives."""


def refused_files(lake: Lake, rows: KeyRows) -> tuple[list[str], dict[str, str]]:
    """Source files in quarantine that name the key, and those that cannot be searched, with the reason."""
    matches, left = [], {}
    for path in _quarantined(lake):
        content = lake.store.read(path)
        if content is None:
            continue
        if content.startswith(BINARY):
            left[path] = "it is no text: delete it if it may hold the key"
        elif rows.in_text(content):
            matches.append(path)
    return matches, left


def mentions(lake: Lake, rows: KeyRows) -> list[str]:
    """Reports, records of runs and reasons in quarantine that name the key; not looked for where it is short."""
    if is_short(rows):
        return []
    places = [f"{lake.pipeline}/reports", f"{lake.pipeline}/runs"]
    paths = [path for place in places for path in lake.store.find(place, "")]
    paths += [path for path in lake.store.find(lake.pipeline, ".json") if f"/{QUARANTINE}/" in path]
    return [path for path in paths if rows.in_text(lake.store.read(path) or b"")]


def entries_that_name(ledger: Ledger, pipeline: str, rows: KeyRows) -> int:
    """How many entries of the audit log name the key in their sentence: they cannot be changed."""
    if is_short(rows):
        return 0
    named = [AuditRow.sentence.contains(value, autoescape=True) for value in rows.values.values()]
    with ledger.session() as session:
        return session.scalar(select(func.count()).where(AuditRow.pipeline == pipeline, *named)) or 0


def is_short(rows: KeyRows) -> bool:
    """Whether the key is too short to be looked for in texts."""
    return min(map(len, rows.values.values())) < SHORTEST_SEARCHED


def _quarantined(lake: Lake) -> Iterator[str]:
    for dataset in lake.store.list_folder(lake.pipeline):
        folder = f"{lake.pipeline}/{dataset}"
        for path in lake.store.find(f"{folder}/{QUARANTINE}", ""):
            name = path.removeprefix(f"{folder}/")
            if not MANIFEST.fullmatch(name) and not re.search(r"\.reason\.json$", name):
                yield path
