"""What is done while the ledger is away, as it is for seconds after a restart of PostgreSQL: calls are repeated."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from tidewheel.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

log = logging.getLogger("tidewheel.ledger")

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_SECONDS = 30.0
"""How long a job waits for a ledger that is away; PostgreSQL is started again, and has recovered, in less."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
# What PostgreSQL says of a URL that will never work; of everything else it may think better in a moment.
_FOR_GOOD = re.compile(r"FATAL: .*(password|authentication|does not exist|pg_hba|not permitted|permission)")


class LedgerAway(LedgerError):
    """The ledger cannot be reached at present. Trying again may help."""


class Patient(Protocol):
    """Waits for the ledger."""

    @property
    def patience_seconds(self) -> float:
        """How long."""


Waits = TypeVar("Waits", bound=Patient)


def may_come_back(error: DBAPIError) -> bool:
    """Whether a database that cannot be reached may be there in a moment."""
    return "psycopg" in type(error.orig).__module__ and not _FOR_GOOD.search(str(error.orig))


def idempotent(method: Callable[Concatenate[Waits, P], R]) -> Callable[Concatenate[Waits, P], R]:
    """Do something again while the ledger is away, for as long as its owner is patient.

    Only for what may be done twice: where a connection is lost, nobody knows whether the last words were heard.
    """

    @wraps(method)
    def until_done(self: Waits, /, *args: P.args, **kwargs: P.kwargs) -> R:
        began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        while True:
            try:
                return method(self, *args, **kwargs)
            except LedgerAway as error:
                if time.monotonic() - began + pause > self.patience_seconds:
                    raise
                if pause == FIRST_PAUSE_SECONDS:
                    log.warning("waiting up to %.0f s for the ledger: %s", self.patience_seconds, error)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    return until_done
