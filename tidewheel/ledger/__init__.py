"""The ledger: the table of all verdicts, and what is derived from them."""

import tidewheel.ledger.alert_tables
import tidewheel.ledger.audit_tables
import tidewheel.ledger.probation_tables
import tidewheel.ledger.task_tables
import tidewheel.ledger.training_tables  # noqa: F401  migrations and renaming go by the tables that are known
from tidewheel.ledger.ledger import Ledger
from tidewheel.ledger.migrate import is_current, migrate

__all__ = ["Ledger", "is_current", "migrate"]
