"""What happened to a pipeline, on the axis of its quality: promotions, releases, and decisions of the trigger."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from plugins.web.attention import as_utc, clause, failed_release, short
from tidewheel.ledger.releases import Status
from tidewheel.partitions import day_or_none, keys_between
from tidewheel.policies.verdict import Outcome

if TYPE_CHECKING:
    from plugins.web.pipeline_rows import PipelineRows
    from plugins.web.quality import DayOfVersion, Quality

LINES = 6
"""Colours of versions; the seventh version has the first one's again."""


class EventMark(StrEnum):
    """What an event is drawn as."""

    PROMOTED = "promoted"
    RELEASED = "released"
    RELEASE_FAILED = "release failed"
    ROLLED_BACK = "rolled back"
    REQUESTED = "training requested"
    HELD_BACK = "training held back"
    PASSED = "probation passed"
    RETURNED = "predecessor returned"
    ENDED = "probation ended"


PROBATION_MARKS = {Outcome.PASSED: EventMark.PASSED, Outcome.ROLLED_BACK: EventMark.RETURNED}
"""Of one that has ended otherwise: `EventMark.ENDED`."""


@dataclass(frozen=True)
class TimelineEvent:
    """One thing that happened.

    Attributes:
        day: the day of the data that it belongs to, YYYY-MM-DD.
        mark: what it is.
        words: a sentence.
        version: of the model, where it is about one.
    """

    day: str
    mark: EventMark
    words: str
    version: str = ""


def timeline(rows: PipelineRows) -> list[TimelineEvent]:
    """Put events in the order of their days.

    Days of data and days of the calendar differ where a history is played. So a promotion or a release stands on the
    day that its version was trained as of, or on that of the newest decision before it where it came later.

    Releases under way and probations that run are left out.
    """
    trained = {row.version: row.as_of for row in rows.versions}
    events = [
        TimelineEvent(
            row.subject,
            EventMark.REQUESTED if row.outcome == Outcome.FIRED else EventMark.HELD_BACK,
            clause(row),
        )
        for row in rows.triggers
        if day_or_none(row.subject)
    ]
    days = sorted((as_utc(at), day) for at, day in rows.decided if day_or_none(day))
    for row in rows.promotions:
        at = as_utc(row.promoted_at)
        by = f" by {row.actor}" if row.actor else ""
        words = short(f"Version {row.version} became champion{by}. {row.reason}".strip())
        events.append(
            TimelineEvent(_day_of(at, trained.get(row.version, ""), days), EventMark.PROMOTED, words, row.version)
        )
    for one in rows.probations:
        if one.closed_at is not None:
            day = _day_of(as_utc(one.closed_at), one.as_of, days)
            mark = PROBATION_MARKS.get(Outcome(one.outcome), EventMark.ENDED)
            events.append(TimelineEvent(day, mark, clause(one), one.version))
    answered = ""
    for release in rows.releases:
        if release.status == Status.RUNNING:
            continue
        at = as_utc(release.ended_at or release.started_at)
        day = _day_of(at, trained.get(release.version, ""), days)
        if release.status == Status.FAILED:
            back = release.id in rows.rolled_back
            words = failed_release(release, back)
            events.append(
                TimelineEvent(day, EventMark.ROLLED_BACK if back else EventMark.RELEASE_FAILED, words, release.version)
            )
        elif release.status == Status.DONE:
            back = bool(answered) and int(release.version) < int(answered)
            again = f" again, in place of version {answered}" if back else ""
            words = f"Version {release.version} answers{again}, as {release.colour}."
            events.append(
                TimelineEvent(day, EventMark.ROLLED_BACK if back else EventMark.RELEASED, words, release.version)
            )
            answered = release.version
    return sorted((event for event in events if event.day), key=lambda event: event.day)


def _day_of(at: datetime, trained: str, days: Sequence[tuple[datetime, str]]) -> str:
    """The day of data on which something happened: that of the newest decision before it, or of the training."""
    number = bisect_right(days, at, key=lambda decision: decision[0])
    before = [day for _, day in days[max(number - 1, 0) : number]]
    return max([*before, *([trained] if day_or_none(trained) else [])], default=str(at.date()))


def chart_data(quality: Quality, events: Sequence[TimelineEvent]) -> dict[str, Any]:
    """What the script of the page draws: parallel lists, one entry a calendar day.

    Args:
        quality: of the pipeline.
        events: on the same axis.
    """
    known = [one.day for one in quality.days] + [day for day, _ in quality.estimates]
    days = keys_between(known, quality.unit)
    place = {day: number for number, day in enumerate(days)}
    lines: list[list[float | None]] = [[None] * len(days) for _ in range(LINES)]
    order = {version: n for n, version in enumerate(dict.fromkeys(one.version for one in quality.days))}
    for one in quality.days:
        lines[order[one.version] % LINES][place[one.day]] = _rounded(one.value)
    main = {one.day: one for one in quality.main}
    estimates = dict(quality.estimates)
    return {
        "metric": quality.title,
        "days": days,
        "lines": lines,
        "versions": [main[day].version if day in main else None for day in days],
        "rows": [int(main[day].rows) if day in main else None for day in days],
        "estimates": [_rounded(estimates[day]) if day in estimates else None for day in days],
        "excess": _excess([main.get(day) for day in days]),
        "events": [asdict(event) for event in events if event.day in place],
    }


def _excess(days: Sequence[DayOfVersion | None]) -> dict[str, list[float | None]]:
    intervals = [one.excess_interval if one else None for one in days]
    return {
        "value": [
            _rounded(one.excess) if one and interval else None for one, interval in zip(days, intervals, strict=True)
        ],
        "low": [_rounded(interval[0]) if interval else None for interval in intervals],
        "high": [_rounded(interval[1]) if interval else None for interval in intervals],
    }


def _rounded(value: float) -> float | None:
    """What JSON can say of it: a loss may be infinite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None
