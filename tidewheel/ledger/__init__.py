"""The ledger: the table of all verdicts, and what is derived from them."""

from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.migrate import migrate

__all__ = ["Ledger", "migrate"]
