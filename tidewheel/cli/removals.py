"""Notes in the audit log what a command is about to remove."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.actor import operating_system_user
from tidewheel.errors import LedgerError, SettingsError
from tidewheel.quantities import listing, quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.settings import Settings

NAMED = 20
"""Paths in an entry: of thousands the folder is named."""


def note_removal(settings: Settings, pipeline: str, what: str, paths: Sequence[str]) -> str:
    """Add an entry before things are removed that can be made again, or that nothing names.

    A removal of such things does not wait for a ledger that is away: the disk may be full because of it.

    Args:
        settings: of the installation.
        pipeline: whose things; empty: of all.
        what: they are.
        paths: of each; none: nothing is noted.

    Returns:
        Why there is no entry, in a sentence; empty where there is one, or nothing to note.
    """
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.audit import Act, note
    from tidewheel.ledger.chain import Entry

    if not paths:
        return ""
    sentence = f"{quantity(len(paths), 'file or folder', 'files or folders')}: {listing(paths, NAMED)}"
    entry = Entry(
        pipeline, Act.REMOVAL, what, "removed", sentence, operating_system_user(), run_id="", at=datetime.now(UTC)
    )
    try:
        note(Ledger.open(settings, patience_seconds=0), entry)
    except (LedgerError, SettingsError) as error:
        return f"not in the audit log: {error}"
    return ""
