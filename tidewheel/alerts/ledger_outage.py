"""A ledger that cannot be used: no incident can be written, so the messages go to the channels directly."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidewheel.alerts import messages
from tidewheel.alerts.channels import send, url_of
from tidewheel.errors import LedgerError, TidewheelError
from tidewheel.ledger.alerts import RESOLVED
from tidewheel.ledger.outage import LedgerAway
from tidewheel.spec.alerts import SEVERITIES
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

PATIENCE_SECONDS = 60.0
"""PostgreSQL that is started again answers sooner; of that nobody needs to hear."""
JOIN_SECONDS = 60.0
"""How long a round waits for the channels that it sends to."""
CRITICAL = SEVERITIES[-1]
ACTION = (
    "`tidewheel status` and `tidewheel logs postgres` show why. Until it answers, no job can end and no other alert is "
    "sent."
)
ACTION_OF_TABLES = "Until then, jobs that need them fail and no other alert is sent."


class LedgerOutage:
    """Remembers since when the ledger is away, and which channels have heard of it.

    Args:
        settings: of the installation.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._since: float | None = None
        self._informed: set[str] = set()
        self._sending: dict[str, threading.Thread] = {}

    def lasts(self, error: LedgerError, now: float) -> None:
        """Note that the ledger cannot be used; once it has not been for a minute, send that to every channel.

        Args:
            error: why.
            now: a clock's seconds.
        """
        if self._since is None:
            self._since = now
            log.warning("%s", error)
        if now - self._since < PATIENCE_SECONDS:
            return
        away = isinstance(error, LedgerAway)
        title = f"[{CRITICAL}] {messages.PLATFORM}: the ledger {'does not answer' if away else 'cannot be used'}"
        text = messages.body(f"{error}.", ACTION if away else ACTION_OF_TABLES, "")
        self._send(self._channels() - self._informed, title, text, CRITICAL)

    def ended(self) -> None:
        """Note that the ledger answers; channels that have heard of the outage hear of its end."""
        self._since = None
        busy = {channel for channel, thread in self._sending.items() if thread.is_alive()}
        if informed := self._informed - busy:
            self._informed -= informed
            title = f"[{RESOLVED}] {messages.PLATFORM}: the ledger answers again"
            self._send(informed, title, "What was due meanwhile is sent now.", RESOLVED)

    def _channels(self) -> set[str]:
        pipelines = (
            pipeline
            for pipeline in declared_pipelines(self._settings.pipelines_folder).values()
            if pipeline is not None
        )
        return {channel.address for pipeline in pipelines for channel in pipeline.alerts.channels.values()}

    def _send(self, channels: Iterable[str], title: str, text: str, severity: str) -> None:
        """Send to channels, each in a thread; one that has not taken its last message yet is left for a later round."""
        self._sending = {channel: thread for channel, thread in self._sending.items() if thread.is_alive()}
        threads = {
            channel: threading.Thread(target=self._send_one, args=(channel, title, text, severity), daemon=True)
            for channel in channels
            if channel not in self._sending
        }
        self._sending |= threads
        for thread in threads.values():
            thread.start()
        deadline = time.monotonic() + JOIN_SECONDS
        for thread in threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _send_one(self, channel: str, title: str, text: str, severity: str) -> None:
        try:
            refused = send(url_of(channel, self._settings), channel, title, text, severity)
        except TidewheelError as error:
            refused = str(error)
        if refused:
            log.warning("%s has not taken the message on the ledger: %s", channel, refused)
        elif severity == CRITICAL:
            self._informed.add(channel)
