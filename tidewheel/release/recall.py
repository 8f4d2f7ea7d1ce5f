"""Listens for an operator who wants the old version back, beside the watch: the ledger never holds up the guard."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.releases import TakenOver

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("tidewheel.release")

POLL_SECONDS = 0.2
"""How long an operator who asks for a rollback waits at most until it is seen."""


class AskedBack(ReleaseError):
    """An operator asked for the old version.

    Attributes:
        reason: who and why.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"taken back by hand: {reason}")
        self.reason = reason


class Recall:
    """Asks the ledger again and again, in a thread of its own, while the block runs.

    A ledger that is away, or that hangs, is asked until it answers; meanwhile the watch goes on.

    Args:
        asked_back: why an operator wants the old version back, empty while nobody does.
    """

    def __init__(self, asked_back: Callable[[], str]) -> None:
        self._asked_back = asked_back
        self._reason = ""
        self._taken_over: TakenOver | None = None
        self._over = threading.Event()
        # A daemon: it may hang in a question when all else is done.
        self._thread = threading.Thread(target=self._listen, name="recall", daemon=True)

    def __enter__(self) -> Recall:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def heed(self) -> None:
        """See that the watch is still wanted.

        Raises:
            AskedBack: an operator wants the old version back.
            TakenOver: another process works on the release since the ledger was away, and watches it.
        """
        if self._taken_over is not None:
            raise self._taken_over
        if self._reason:
            raise AskedBack(self._reason)

    def _listen(self) -> None:
        away = False
        while not self._over.is_set():
            try:
                self._reason = self._asked_back()
                if away:
                    log.info("the ledger is back")
                away = False
            except TakenOver as error:
                self._taken_over = error
                return
            except LedgerError as error:
                if not away:
                    log.warning("the guard watches on without the ledger: %s", error)
                away = True
            self._over.wait(POLL_SECONDS)
