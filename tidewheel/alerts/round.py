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
from tidewheel.alerts.gone import GoneTasks, gone_sentence, undeclared_sentence
from tidewheel.alerts.messages import harmless, title
from tidewheel.console_route import CONSOLE_ROUTE
from tidewheel.errors import LedgerError
from tidewheel.ledger.alerts import AlertLog
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidewheel.ledger import Ledger
    from tidewheel.ledger.alert_tables import IncidentRow
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.alerts")

PLATFORM_REMINDER_HOURS = 24.0


class Rounds:
    """Evaluates and sends, again and again.

    Args:
        settings: of the installation.
        ledger: what is evaluated, and where incidents and messages are written.
        gone: knows which failed tasks are gone; default: asks the Airflow of this installation.
    """

    def __init__(self, settings: Settings, ledger: Ledger, gone: GoneTasks | None = None) -> None:
        self._settings, self._ledger = settings, ledger
        self._log = AlertLog(ledger)
        self._address = (settings.airflow_public_url or settings.airflow_url).rstrip("/")
        self._forgotten_on: date | None = None
        self._gone = gone or GoneTasks.open(settings)
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
        gone = self._gone.among([row for row in failures if row.pipeline in known], now)
        for row in gone:
            self._log.task_succeeded(row.pipeline, row.purpose, row.task_id, now)
        failures = [row for row in failures if row not in gone]
        disks = _disks(self._settings)
        unknown = pipelines.keys() - known.keys()
        for name, pipeline in known.items():
            try:
                disks += conditions(read_facts(self._ledger, pipeline, failures), now)
            except LedgerError:
                raise
            except Exception:  # the other pipelines' alerts must go on
                log.exception("the rules of %s could not be evaluated", name)
                unknown.add(name)
        open_incidents = self._log.open_incidents()
        changed = incidents.changes(
            disks,
            open_incidents,
            unknown=unknown,
            reminders={"": PLATFORM_REMINDER_HOURS}
            | {name: pipeline.alerts.remind_after_hours for name, pipeline in known.items()},
            now=now,
        )
        sections = {name: pipeline.alerts for name, pipeline in known.items()}
        names = {(row.pipeline, f"{row.purpose} {row.task_id}") for row in gone}
        because = {row.id: why for row in open_incidents if (why := _why_ended(row, names, pipelines.keys()))}
        incidents.write(self._log, changed, sections, self._address, now, because)
        _note(changed)
        if self._forgotten_on != now.date():
            self._log.forget(now - timedelta(days=self._settings.alerts_retention_days))
            self._forgotten_on = now.date()
        self.delivery.start(now)
        return changed


def _why_ended(row: IncidentRow, gone: Collection[tuple[str, str]], declared: Collection[str]) -> str:
    """Why an incident ends whose cause was not removed; empty where it was, as far as is known here."""
    if row.pipeline and row.pipeline not in declared:
        return undeclared_sentence(row.pipeline)
    return gone_sentence(row.pipeline, row.subject) if (row.pipeline, row.subject) in gone else ""


def _disks(settings: Settings) -> list[Condition]:
    folders = [settings.home, settings.request_log_folder]
    lake = settings.lake_root
    if lake.startswith("file://"):
        folders.append(Path(lake.removeprefix("file://")))
    try:
        return disk_conditions(folders)
    except OSError:
        log.exception("how full the disks are could not be read")
        return []


def _note(changed: incidents.Changes) -> None:
    for condition in changed.opened:
        log.warning("opened: %s: %s", title(condition), harmless(condition.sentence))
    for incident in changed.resolved:
        log.info("resolved: %s", title(incident))
