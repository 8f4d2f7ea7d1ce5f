"""The text of a message: what is wrong, what to do, where to look. Nothing in it can be markup or a mention."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.alerts.facts import in_utc
from tidewheel.ledger.alerts import RESOLVED
from tidewheel.spec.alerts import SEVERITIES

if TYPE_CHECKING:
    from tidewheel.alerts.conditions import Condition
    from tidewheel.ledger.alert_tables import IncidentRow, MessageRow

TITLE, PARAGRAPH = 150, 1_500
"""Characters of a title, and of a sentence or an action: some channels refuse longer messages."""
LISTED = 20
"""Messages that a digest names."""
PLATFORM = "the platform"
# Slack's `<!channel>`, Discord's and Teams' `@everyone` and HTML need these characters; a masked link needs `](`. They
# become characters that look alike: angle quotation marks, and a full-width at sign.
_HARMLESS = str.maketrans({"<": "\u2039", ">": "\u203a", "@": "\uff20"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def harmless(text: str, longest: int = PARAGRAPH) -> str:
    """A text on one line, in which no channel sees markup, a mention or a link.

    Sentences of the ledger hold values of the data and descriptions that anybody may have written.

    Args:
        text: as it is.
        longest: most characters to return.
    """
    plain = _CONTROL.sub(" ", text).translate(_HARMLESS).replace("](", "] (").replace("://", ": //")
    plain = " ".join(plain.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def title(condition: Condition | IncidentRow, state: str = "") -> str:
    """One line: how severe, which pipeline, what."""
    words = condition.event.replace("_", " ")
    about = f" ({condition.subject})" if condition.subject else ""
    mark = state or condition.severity
    return harmless(f"[{mark}] {condition.pipeline or PLATFORM}: {words}{about}", TITLE)


def body(sentence: str, action: str, link: str) -> str:
    """The text of a message about an incident.

    Args:
        sentence: what is wrong.
        action: what to do.
        link: our own page about it; empty where Airflow's address is not known.
    """
    return "\n\n".join([harmless(sentence), f"What to do: {harmless(action)}", *([link] if link else [])])


def reminder_title(incident: IncidentRow, now: datetime) -> str:
    """The title of a reminder."""
    return title(incident, f"{incident.severity}, open for {duration(now - in_utc(incident.opened_at))}")


def resolved_body(incident: IncidentRow, now: datetime, why: str = "") -> str:
    """The text of the message that an incident has ended.

    Args:
        incident: that has.
        now: the time, in UTC.
        why: it has, where its cause was not removed.
    """
    began = in_utc(incident.opened_at)
    lasted = f"It lasted {duration(now - began)}, from {began:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC."
    ended = f"{harmless(why)} {lasted}" if why else lasted
    return "\n\n".join([ended, harmless(incident.sentence), *([incident.link] if incident.link else [])])


def digest(messages: Sequence[MessageRow], link: str) -> tuple[str, str]:
    """Title and text of one message in place of many.

    Args:
        messages: those it stands for, oldest first.
        link: the page with all pipelines; empty where Airflow's address is not known.
    """
    counts = Counter(RESOLVED if message.kind == RESOLVED else message.severity for message in messages)
    order = [*reversed(SEVERITIES), RESOLVED]
    said = ", ".join(f"{counts[name]:,} {name}" for name in order if counts[name])
    worst_first = sorted(
        messages,
        key=lambda m: (m.kind == RESOLVED, -SEVERITIES.index(m.severity)),
    )
    lines = [message.title for message in worst_first[:LISTED]]
    more = len(messages) - LISTED
    rest = [f"and {more:,} more: `tidewheel alerts list` shows what is open"] if more > 0 else []
    text = "\n".join([*lines, *rest])
    return f"{len(messages):,} alerts: {said}", "\n\n".join([text, *([link] if link else [])])


def duration(span: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if (count := seconds // size) >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
