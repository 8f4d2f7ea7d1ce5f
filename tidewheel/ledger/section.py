"""A section of the ledger: reads and writes the rows of one subject, in the transactions of one ledger."""

from __future__ import annotations

from tidewheel.ledger.ledger import Ledger


class LedgerSection:
    """What the sections have in common.

    Args:
        ledger: whose rows they are.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @property
    def patience_seconds(self) -> float:
        """How long to wait for a ledger that is away."""
        return self.ledger.patience_seconds
