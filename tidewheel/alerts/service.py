"""The alerts service, `python -m tidewheel.alerts.service`: every few seconds it evaluates all rules and sends."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.alerts.ledger_outage import LedgerOutage
from tidewheel.alerts.round import Rounds
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.locks import Busy, LedgerLock
from tidewheel.logs import configure
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

ROUND_SECONDS = 20.0
"""A message leaves well within two minutes of what it is about."""
LONGEST_ROUND_SECONDS = 300.0
"""A round that takes longer hangs: the process ends, and its supervisor starts it again."""
STOP_SECONDS = 10.0


def serve(settings: Settings, stop: threading.Event) -> None:
    """Play rounds until `stop` is set. Of several services over one ledger, one works and the others stand by.

    Args:
        settings: of the installation.
        stop: ends the service.
    """
    ledger = Ledger.open(settings, patience_seconds=0)
    right, rounds, outage = LedgerLock(ledger.engine, "alerts", 0), Rounds(settings, ledger), LedgerOutage(settings)
    held = False
    try:
        while not stop.is_set():
            with _ends_if_it_hangs():
                held = play(rounds, right, outage, held=held)
            stop.wait(ROUND_SECONDS)
        if not rounds.delivery.wait(STOP_SECONDS):
            log.warning("a channel has not answered within %.0f s: its messages are sent after the start", STOP_SECONDS)
    finally:
        right.end()
        ledger.engine.dispose()


def play(rounds: Rounds, right: LedgerLock, outage: LedgerOutage, *, held: bool) -> bool:
    """Play a round.

    Args:
        rounds: what to play.
        right: to be the only one that does.
        outage: takes note of a ledger that is away.
        held: whether this process had the right at its last round.

    Returns:
        Whether it has the right now.
    """
    try:
        if held:
            right.hold()
        else:
            right.take(0)
        rounds.play(datetime.now(UTC))
    except Busy:  # another process holds the right, so the ledger answers
        outage.ended()
        return False
    except LedgerError as error:
        outage.lasts(error, time.monotonic())
        return held
    except Exception:  # whatever it is, it must not end the alerts
        log.exception("this round failed; the next begins in %.0f s", ROUND_SECONDS)
        return held
    outage.ended()
    return True


@contextmanager
def _ends_if_it_hangs() -> Iterator[None]:
    timer = threading.Timer(LONGEST_ROUND_SECONDS, _end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end() -> None:
    log.critical("a round has not ended within %.0f s: the service ends, to be started again", LONGEST_ROUND_SECONDS)
    os._exit(1)


def main() -> None:
    """Serve until SIGTERM."""
    configure()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(load_settings(), stop)


if __name__ == "__main__":
    main()
