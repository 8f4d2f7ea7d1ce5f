"""Sending what the outbox holds: each channel in a thread of its own, so that a slow one holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.alerts.channels import send, takes_chart, url_of
from tidewheel.alerts.messages import digest
from tidewheel.errors import LedgerError, TidewheelError
from tidewheel.ledger.alerts import RESOLVED, AlertLog
from tidewheel.quantities import quantity
from tidewheel.spec.alerts import SEVERITIES

if TYPE_CHECKING:
    from tidewheel.alerts.charts import Charts
    from tidewheel.ledger.alert_tables import MessageRow
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

DIGEST_ABOVE = 5
"""More messages than this that are due together become one."""
BUSY, WINDOW = 10, timedelta(hours=1)
"""A channel that was sent so many messages within this time gets only critical ones until it has passed."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
CRITICAL = SEVERITIES[-1]


@dataclass(frozen=True)
class Parcel:
    """What is sent to a channel at once.

    Attributes:
        ids: messages that it stands for.
        title: one line.
        text: the text.
        severity: the worst of the messages, or `resolved`.
        attempts: failed attempts so far.
        incident: number of the incident that it is about; None for a digest.
    """

    ids: Sequence[int]
    title: str
    text: str
    severity: str
    attempts: int
    incident: int | None = None


def parcels(due: Sequence[MessageRow], sent_lately: int, link: str) -> list[Parcel]:
    """What to send of the messages that are due: each by itself, one digest of many, or nothing for now.

    Args:
        due: messages to a channel, oldest first.
        sent_lately: how many times the channel was sent something within `WINDOW`.
        link: page that a digest leads to.
    """
    if sent_lately >= BUSY:
        due = due if any(row.severity == CRITICAL and row.kind != RESOLVED for row in due) else []
    if len(due) <= DIGEST_ABOVE and len(due) + sent_lately <= BUSY:
        return [Parcel([row.id], row.title, row.body, _severity([row]), row.attempts, row.incident_id) for row in due]
    if not due:
        return []
    title, text = digest(due, link) if len(due) > 1 else (due[0].title, due[0].body)
    return [Parcel([row.id for row in due], title, text, _severity(due), max(row.attempts for row in due))]


def pause(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts."""
    doublings = min(attempts - 1, 20)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


class Delivery:
    """Sends what is due.

    Args:
        log: the outbox.
        settings: of the installation.
        link: page that a digest leads to.
        charts: draw what a message is about.
    """

    def __init__(self, log: AlertLog, settings: Settings, link: str, charts: Charts) -> None:
        self._log, self._settings, self._link, self._charts = log, settings, link, charts
        self._busy: dict[str, threading.Thread] = {}
        self._unnoted: dict[int, datetime] = {}

    def start(self, now: datetime) -> None:
        """Begin to send; a channel that is still busy with what it was sent before is left alone.

        Raises:
            LedgerError: the ledger does not answer.
        """
        self._note_what_was_sent()
        self._busy = {channel: thread for channel, thread in self._busy.items() if thread.is_alive()}
        for channel, rows in self._log.due(now).items():
            if channel not in self._busy:
                thread = threading.Thread(target=self._send_all, args=(channel, rows, now), daemon=True)
                self._busy[channel] = thread
                thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until everything that was begun has ended; returns whether it has."""
        deadline = time.monotonic() + seconds
        for thread in self._busy.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._busy.values())

    def _send_all(self, channel: str, rows: Sequence[MessageRow], now: datetime) -> None:
        try:
            for parcel in parcels(rows, self._log.sent_since(channel, now - WINDOW, now), self._link):
                if not self._send(channel, parcel):
                    return
        except TidewheelError as error:
            log.warning("%s: %s", channel, error)

    def _note_what_was_sent(self) -> None:
        """Note what could not be noted when it was sent. A process that ends before sends it once more: never less."""
        for message, at in list(self._unnoted.items()):
            self._log.sent([message], at)
            del self._unnoted[message]

    def _send(self, channel: str, parcel: Parcel) -> bool:
        try:
            url = url_of(channel, self._settings)
            chart = self._charts.of(parcel.incident) if parcel.incident and takes_chart(url, channel) else None
            refused = send(url, channel, parcel.title, parcel.text, parcel.severity, chart)
        except TidewheelError as error:
            refused = str(error)
        now = datetime.now(UTC)
        if not refused:
            try:
                self._log.sent(parcel.ids, now)
            except LedgerError:
                self._unnoted |= dict.fromkeys(parcel.ids, now)
                raise
            return True
        attempts = parcel.attempts + 1
        self._log.put_off(parcel.ids, refused, now + pause(attempts), attempts)
        messages = quantity(len(parcel.ids), "message")
        log.warning("%s has not taken %s (attempt %d): %s", channel, messages, attempts, refused)
        return False


def _severity(rows: Sequence[MessageRow]) -> str:
    open_rows = [row.severity for row in rows if row.kind != RESOLVED]
    return max(open_rows, key=SEVERITIES.index, default=RESOLVED)
