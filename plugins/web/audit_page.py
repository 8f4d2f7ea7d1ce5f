"""The newest entries of a pipeline's audit log. A page does not verify the log: that takes as long as the log is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.audit import newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.ledger.audit_tables import AuditRow
    from tidewheel.settings import Settings

SHOWN = 200


@dataclass(frozen=True)
class AuditPage:
    """What the page shows.

    Attributes:
        name: of the pipeline.
        entries: newest first.
        more: whether there are older ones.
        silent: why there are none to show; empty where the ledger answers.
    """

    name: str
    entries: Sequence[AuditRow] = ()
    more: bool = False
    silent: str = ""


def audit_page(settings: Settings, name: str) -> AuditPage:
    """Read the page."""
    try:
        with Ledger.briefly(settings) as ledger:
            entries = newest(ledger, name, SHOWN + 1)
    except LedgerError as error:
        return AuditPage(name, silent=str(error))
    return AuditPage(name, entries[:SHOWN], len(entries) > SHOWN)
