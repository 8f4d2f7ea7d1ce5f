"""A lock that ends with the process that holds it, and that its holder can ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from tidewheel.errors import LedgerError
from tidewheel.ledger.outage import LedgerAway, idempotent
from tidewheel.polling import poll

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

POLL_SECONDS = 0.2


def one_at_a_time(session: Session, what: str) -> None:
    """Wait for any other transaction that works on the same; ends with this transaction. SQLite has one writer."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"tidewheel {what}", 0))))


class Busy(LedgerError):
    """Another process works on it."""


class LedgerLock:
    """The right to work on something alone.

    The lock is PostgreSQL's: it ends with the connection, so with the process, however that ends. SQLite has no such
    thing; only tests in one process use it.

    Args:
        engine: of the ledger.
        what: there is to work on.
        patience_seconds: how long to wait for a ledger that is away.
    """

    def __init__(self, engine: Engine, what: str, patience_seconds: float) -> None:
        self.patience_seconds = patience_seconds
        self._engine, self._what = engine, what
        self._connection: Connection | None = None
        self._one_at_a_time = threading.Lock()

    @idempotent
    def take(self, patience_seconds: float) -> None:
        """Wait for the right.

        Args:
            patience_seconds: how long to wait for another process.

        Raises:
            Busy: another process works on it for longer.
            LedgerAway: the ledger cannot be reached, or is lost meanwhile.
        """
        for _ in poll(patience_seconds, every=POLL_SECONDS):
            if self._try():
                return
        raise Busy(
            f"another process has been working on the {self._what} for {patience_seconds:.0f} s; "
            "see the ledger's release_stage, or end that process: the release can be resumed"
        )

    def hold(self) -> bool:
        """See that the right is still held: it is lost when PostgreSQL is started again, and is then taken again.

        Returns:
            False where it was lost: another process may have had it, and have let go of it, in between.

        Raises:
            Busy: another process has it now.
            LedgerAway: the ledger cannot be reached.
        """
        if self._engine.dialect.name != "postgresql":
            return True
        with self._one_at_a_time:
            if self._connection is not None:
                try:
                    self._connection.scalar(select(1))
                    self._connection.commit()
                except (DBAPIError, InvalidRequestError):
                    self._let_go()
                else:
                    return True
            if not self._try():
                self._let_go()
                raise Busy(
                    f"the connection to the ledger was lost, and another process works on the {self._what} since: "
                    "nothing more is written"
                )
            return False

    def end(self) -> None:
        """Let go of the right."""
        with self._one_at_a_time:
            self._let_go()

    def _try(self) -> bool:
        if self._engine.dialect.name != "postgresql":
            return True
        key = func.hashtextextended(f"tidewheel {self._what}", 0)
        try:
            self._connection = self._connection or self._engine.connect()
            found = bool(self._connection.scalar(select(func.pg_try_advisory_lock(key))))
            self._connection.commit()
        except (DBAPIError, InvalidRequestError) as error:
            self._let_go()
            said = error.orig if isinstance(error, DBAPIError) else error
            raise LedgerAway(f"the ledger was lost while waiting for the {self._what}: {said}") from error
        return found

    def _let_go(self) -> None:
        if self._connection is None:
            return
        connection, self._connection = self._connection, None
        with suppress(InvalidRequestError):  # a connection that was lost has let go of everything already
            connection.detach()  # closed for good instead of going back to the pool, and the lock with it
        with suppress(DBAPIError, InvalidRequestError):
            connection.close()


@contextmanager
def exclusively(engine: Engine, what: str, patience_seconds: float, ledger_seconds: float) -> Iterator[LedgerLock]:
    """Be the only process that works on something.

    Args:
        engine: of the ledger.
        what: there is to work on.
        patience_seconds: how long to wait for another process.
        ledger_seconds: how long to wait for a ledger that is away.

    Raises:
        Busy: another process works on it for longer than `patience_seconds`.
        LedgerAway: the ledger cannot be reached.
    """
    held = LedgerLock(engine, what, ledger_seconds)
    try:
        held.take(patience_seconds)
        yield held
    finally:
        held.end()
