"""What a round changes: which incidents open, are sent again, or end; and to which channels each message goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.alerts import messages
from tidewheel.alerts.facts import in_utc
from tidewheel.ledger.alert_tables import SUBJECT, IncidentRow
from tidewheel.ledger.alerts import OPENED, REMINDER, RESOLVED, AlertLog, Post
from tidewheel.spec.alerts import SEVERITIES, Event

if TYPE_CHECKING:
    from tidewheel.alerts.conditions import Condition
    from tidewheel.spec.alerts import Alerts

CRITICAL = SEVERITIES[-1]
NEVER_REMINDED = frozenset({str(Event.ROLLED_BACK)})
"""They last until the next release, which may be weeks away, and nothing is to be done meanwhile."""


@dataclass(frozen=True)
class Changes:
    """What a round changes.

    Attributes:
        opened: conditions without an open incident.
        reminded: incidents to send again.
        resolved: incidents whose condition no longer holds.
        changed: open incidents of which something else is to be said by now.
    """

    opened: Sequence[Condition] = ()
    reminded: Sequence[IncidentRow] = ()
    resolved: Sequence[IncidentRow] = ()
    changed: Sequence[tuple[IncidentRow, Condition]] = ()


def changes(
    found: Sequence[Condition],
    incidents: Sequence[IncidentRow],
    unknown: Collection[str],
    reminders: Mapping[str, float | None],
    now: datetime,
) -> Changes:
    """Compare what holds with what is open.

    Args:
        found: conditions that hold.
        incidents: open ones.
        unknown: pipelines that could not be evaluated: their incidents stay as they are.
        reminders: hours after which an open incident is sent again, by pipeline; None: never.
        now: the time, in UTC.
    """
    open_keys = {(row.pipeline, row.event, row.subject) for row in incidents}
    holding = {_key(condition): condition for condition in found}
    still = [row for row in incidents if (row.pipeline, row.event, row.subject) in holding]
    return Changes(
        opened=[condition for key, condition in holding.items() if key not in open_keys],
        reminded=[row for row in still if _is_due(row, reminders.get(row.pipeline), now)],
        resolved=[
            row
            for row in incidents
            if row.pipeline not in unknown and (row.pipeline, row.event, row.subject) not in holding
        ],
        changed=[
            (row, condition)
            for row in still
            if _said(row) != _said(condition := holding[row.pipeline, row.event, row.subject])
        ],
    )


def write(
    log: AlertLog,
    change: Changes,
    channels: Mapping[str, Alerts],
    address: str,
    now: datetime,
    because: Mapping[int, str] | None = None,
) -> None:
    """Write the changes into the ledger, with their messages into its outbox.

    Args:
        log: where they are written.
        change: what to write.
        channels: sections `alerts`, by pipeline.
        address: of Airflow, as a browser knows it; empty where there is none.
        now: the time, in UTC.
        because: why incidents end whose cause was not removed, by number.
    """
    opened, reminded, resolved = [], [], []
    for row, condition in change.changed:  # a reminder says what holds by now
        row.sentence, row.action, row.severity = _said(condition)
    for condition in change.opened:
        incident = _incident(condition, address, now)
        text = messages.body(incident.sentence, incident.action, incident.link)
        opened.append((incident, _posts(incident, channels, OPENED, messages.title(incident), text, now)))
    for incident in change.reminded:
        text = messages.body(incident.sentence, incident.action, incident.link)
        title = messages.reminder_title(incident, now)
        reminded.append((incident, _posts(incident, channels, REMINDER, title, text, now)))
    for incident in change.resolved:
        why = (because or {}).get(incident.id, "")
        title, text = messages.title(incident, RESOLVED), messages.resolved_body(incident, now, why)
        due = _due(channels.get(incident.pipeline), incident.severity, now)
        resolved.append((incident, Post("", RESOLVED, incident.severity, title, text, due)))
    changed = [row for row, _ in change.changed]
    if opened or reminded or resolved or changed:
        log.write(opened, reminded, resolved, changed, now)


def _incident(condition: Condition, address: str, now: datetime) -> IncidentRow:
    return IncidentRow(
        pipeline=condition.pipeline,
        event=condition.event,
        subject=condition.subject[:SUBJECT],
        severity=condition.severity,
        sentence=condition.sentence,
        action=condition.action,
        link=f"{address}{condition.path}" if address else "",
        opened_at=now,
        reminded_at=now,
    )


def _said(of: IncidentRow | Condition) -> tuple[str, str, str]:
    return of.sentence, of.action, of.severity


def _key(condition: Condition) -> tuple[str, str, str]:
    return condition.pipeline, condition.event, condition.subject[:SUBJECT]


def _is_due(incident: IncidentRow, hours: float | None, now: datetime) -> bool:
    if hours is None or incident.event in NEVER_REMINDED:
        return False
    waited = now - in_utc(incident.reminded_at)
    return waited >= timedelta(hours=hours) or waited < timedelta(0)  # dated by a clock that was ahead


def _posts(
    incident: IncidentRow, channels: Mapping[str, Alerts], kind: str, title: str, text: str, now: datetime
) -> list[Post]:
    """One message to each channel that takes the severity; an incident of the platform goes to all pipelines'."""
    sections = [channels[incident.pipeline]] if incident.pipeline in channels else []
    if not incident.pipeline:
        sections = list(channels.values())
    found = {
        channel.address: _due(section, incident.severity, now)
        for section in sections
        for channel in section.channels.values()
        if channel.takes(incident.severity)
    }
    return [Post(address, kind, incident.severity, title, text, due) for address, due in found.items()]


def _due(section: Alerts | None, severity: str, now: datetime) -> datetime:
    if section is None or section.quiet_hours is None or severity == CRITICAL:
        return now
    return section.quiet_hours.over(now)
