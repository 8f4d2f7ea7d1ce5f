"""A lock that ends with the process that holds it, and that its holder can ask for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import InvalidRequestError, OperationalError

from tidewheel.errors import LedgerError

POLL_SECONDS = 0.2


class Busy(LedgerError):
    """Another process works on it."""


@dataclass(frozen=True)
class Alone:
    """Held while the block runs in which it was taken.

    Attributes:
        connection: the session of PostgreSQL that holds the lock; None where there is no such thing.
    """

    connection: Connection | None

    def verify(self) -> None:
        """See that the lock is still held: it is gone when PostgreSQL was started again meanwhile.

        Raises:
            LedgerError: it is lost; another process may hold it now.
        """
        if self.connection is None:
            return
        try:
            self.connection.scalar(select(1))
            self.connection.commit()
        except (OperationalError, InvalidRequestError) as error:
            raise LedgerError(
                "the connection to the ledger was lost, and with it the right to work on this release alone; "
                "nothing more is written: resume the release"
            ) from error


@contextmanager
def alone(engine: Engine, what: str, patience_seconds: float) -> Iterator[Alone]:
    """Be the only process that works on something.

    The lock is PostgreSQL's: it ends with the connection, so with the process, however that ends. SQLite has no
    such thing; only tests in one process use it.

    Raises:
        Busy: another process works on it for longer than `patience_seconds`.
        LedgerError: the ledger cannot be reached, or is lost meanwhile.
    """
    if engine.dialect.name != "postgresql":
        yield Alone(None)
        return
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise LedgerError(f"the ledger cannot be reached: {error.orig}; is the platform up?") from error
    try:
        _wait_for_lock(connection, what, patience_seconds)
        yield Alone(connection)
    finally:
        with suppress(InvalidRequestError):  # a connection that was lost has let go of everything already
            connection.detach()  # closed for good instead of going back to the pool, and the lock with it
        connection.close()


def _wait_for_lock(connection: Connection, what: str, patience_seconds: float) -> None:
    key = func.hashtextextended(f"tidewheel {what}", 0)
    deadline = time.monotonic() + patience_seconds
    try:
        while not connection.scalar(select(func.pg_try_advisory_lock(key))):
            connection.commit()
            if time.monotonic() > deadline:
                raise Busy(
                    f"another process has been working on the {what} for {patience_seconds:.0f} s; "
                    "see the ledger's release_stage, or end that process: the release can be resumed"
                )
            time.sleep(POLL_SECONDS)
        connection.commit()
    except OperationalError as error:
        raise LedgerError(f"the ledger was lost while waiting for the {what}: {error.orig}") from error
