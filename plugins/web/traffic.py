"""Traffic of a pipeline's endpoint: what callers got of each version, and its course over a day and over sixty."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tidewheel.ledger.traffic import DAY, MINUTE, TrafficPoint

if TYPE_CHECKING:
    from tidewheel.policies.guard import WindowCounts

HOURS, DAYS = 24, 60
STEP = 600
"""Seconds of a point of the last day's course: minutes of a quiet endpoint are mostly empty."""


@dataclass(frozen=True)
class VersionTraffic:
    """What callers got from one colour and version over a span of time.

    Attributes:
        span: in words.
        colour: that answered.
        version: of the model; empty where no release says which one the colour had.
        seen: requests, errors and times.
        per_second: requests.
    """

    span: str
    colour: str
    version: str
    seen: WindowCounts
    per_second: float


@dataclass(frozen=True)
class Course:
    """Requests over time, span by span.

    Attributes:
        name: `day` or `days`.
        step: length of a span, in seconds.
        starts: of the spans, in seconds since 1970 (UTC), without gaps.
        answered: by colour and version, the one that answered first comes first: one entry a span, None where that
            version answered nothing.
    """

    name: str
    step: int
    starts: Sequence[int]
    answered: Mapping[tuple[str, str], Sequence[WindowCounts | None]]

    @property
    def rows(self) -> list[tuple[str, str, str, WindowCounts]]:
        """Spans with requests, the newest first: the day, colour, version, and what callers got."""
        return [
            (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}", *key, seen)
            for place, at in reversed(list(enumerate(self.starts)))
            for key, spans in self.answered.items()
            if (seen := spans[place]) is not None
        ]

    def drawn(self) -> dict[str, Any]:
        """Parallel lists, one entry a span; a version has zero requests between two spans in which it answered."""
        return {
            "step": self.step,
            "starts": list(self.starts),
            "lines": [
                {
                    "name": f"version {version}" if version else colour,
                    "colour": colour,
                    "requests": _between([seen.requests if seen else None for seen in spans]),
                    "errors": _between([seen.errors if seen else None for seen in spans]),
                    "p50": [_known(seen.quantile(0.5)) if seen else None for seen in spans],
                    "p99": [_known(seen.quantile(0.99)) if seen else None for seen in spans],
                }
                for (colour, version), spans in self.answered.items()
            ],
        }


@dataclass(frozen=True)
class TrafficSummary:
    """The endpoint's traffic.

    Attributes:
        answered: by the last hour and day, colour and version.
        courses: over the last day, and over the last `DAYS` days; none where there were no requests.
    """

    answered: Sequence[VersionTraffic]
    courses: Sequence[Course]

    @property
    def drawn(self) -> dict[str, Any]:
        """What the script of the page draws, by the name of the course."""
        return {course.name: course.drawn() for course in self.courses}


def traffic(points: Sequence[TrafficPoint], now: datetime) -> TrafficSummary:
    """Sum up the last hour and day, and follow each version over time.

    Args:
        points: of the last `DAYS` days, each as long as the ledger has it.
        now: the time, with its time zone.
    """
    spans = (("hour", timedelta(hours=1)), ("day", timedelta(hours=HOURS)))
    answered = [each for words, length in spans for each in _answered(words, length, points, now)]
    courses = (
        _course("day", points, STEP, now - timedelta(hours=HOURS), now),
        _course("days", points, DAY, now - timedelta(days=DAYS), now),
    )
    return TrafficSummary(answered, [course for course in courses if course.answered])


def _course(name: str, points: Sequence[TrafficPoint], step: int, first: datetime, now: datetime) -> Course:
    begin, end = (int(at.timestamp()) // step * step for at in (first, now))
    starts = range(begin, end + step, step)
    minutes: defaultdict[tuple[str, str], dict[int, WindowCounts]] = defaultdict(dict)
    for point in points:
        at = int(point.start.timestamp()) // step * step
        if at >= begin:
            spans = minutes[point.colour, point.version]
            spans[at] = spans[at] + point.seen if at in spans else point.seen
    ordered = sorted(minutes.items(), key=lambda item: (min(item[1]), item[0]))
    return Course(name, step, starts, {key: [spans.get(at) for at in starts] for key, spans in ordered})


def _between(counts: Sequence[int | None]) -> list[int | None]:
    """Counts with zeros for the gaps between the first and the last of them."""
    places = [place for place, count in enumerate(counts) if count is not None]
    first, last = (places[0], places[-1]) if places else (0, -1)
    return [0 if count is None and first < place < last else count for place, count in enumerate(counts)]


def _known(milliseconds: float | None) -> float | None:
    """What JSON can say of it."""
    return milliseconds if milliseconds is not None and math.isfinite(milliseconds) else None


def _answered(words: str, length: timedelta, points: Sequence[TrafficPoint], now: datetime) -> Iterator[VersionTraffic]:
    sums: dict[tuple[str, str], WindowCounts] = {}
    for point in points:
        if point.start >= now - length - timedelta(seconds=MINUTE):  # a minute that the span cuts counts whole
            key = (point.colour, point.version)
            sums[key] = sums[key] + point.seen if key in sums else point.seen
    for (colour, version), seen in sorted(sums.items(), key=lambda item: -item[1].requests):
        yield VersionTraffic(words, colour, version, seen, seen.requests / length.total_seconds())
