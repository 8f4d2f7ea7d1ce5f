"""The ledger: the table of all verdicts, and what is derived from them."""

from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.migrate import is_current, migrate

__all__ = ["Ledger", "is_current", "migrate"]
