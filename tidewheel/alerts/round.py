"""One round: evaluate the rules of all pipelines, write what has changed, and send what is due."""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.alerts import incidents
from tidewheel.alerts.charts import Charts
from tidewheel.alerts.conditions import Condition, conditions, disk_conditions
from tidewheel.alerts.delivery import Delivery
from tidewheel.alerts.facts import read_facts
from tidewheel.alerts.messages import harmless, title
from tidewheel.console_route import CONSOLE_ROUTE
from tidewheel.errors import LedgerError
from tidewheel.ledger.alerts import AlertLog
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

PLATFORM_REMINDER_HOURS = 24.0
REMEMBERED = timedelta(days=90)
"""How long incidents that have ended stay in the ledger."""


class Rounds:
    """Evaluates and sends, again and again.

    Args:
        settings: of the installation.
        ledger: what is evaluated, and where incidents and messages are written.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings, self._ledger = settings, ledger
        self._log = AlertLog(ledger)
        self._address = (settings.airflow_public_url or settings.airflow_url).rstrip("/")
        self._forgotten_on: date | None = None
        link = f"{self._address}{CONSOLE_ROUTE}/" if self._address else ""
        self.delivery = Delivery(self._log, settings, link, Charts(ledger, settings))

    def play(self, now: datetime) -> incidents.Changes:
        """Evaluate all rules once, write what has changed, and begin to send what is due.

        Args:
            now: the time, in UTC.

        Raises:
            LedgerError: the ledger does not answer; nothing is lost, and the next round does what this one could not.
        """
        pipelines = declared_pipelines(self._settings.pipelines_folder)
        known = {name: pipeline for name, pipeline in pipelines.items() if pipeline is not None}
        failures = self._log.failures()
        found = _disk(self._settings.home)
        unknown = pipelines.keys() - known.keys()
        for name, pipeline in known.items():
            try:
                found += conditions(read_facts(self._ledger, pipeline, failures), now)
            except LedgerError:
                raise
            except Exception:  # the other pipelines' alerts must go on
                log.exception("the rules of %s could not be evaluated", name)
                unknown.add(name)
        changed = incidents.changes(
            found,
            self._log.open_incidents(),
            unknown=unknown,
            reminders={"": PLATFORM_REMINDER_HOURS}
            | {name: pipeline.alerts.remind_after_hours for name, pipeline in known.items()},
            now=now,
        )
        sections = {name: pipeline.alerts for name, pipeline in known.items()}
        incidents.write(self._log, changed, sections, self._address, now)
        _note(changed)
        if self._forgotten_on != now.date():
            self._log.forget(now - REMEMBERED)
            self._forgotten_on = now.date()
        self.delivery.start(now)
        return changed


def _disk(home: Path) -> list[Condition]:
    try:
        return disk_conditions(home)
    except OSError:
        log.exception("how full the disk is could not be read")
        return []


def _note(changed: incidents.Changes) -> None:
    for condition in changed.opened:
        log.warning("opened: %s: %s", title(condition), harmless(condition.sentence))
    for incident in changed.resolved:
        log.info("resolved: %s", title(incident))
