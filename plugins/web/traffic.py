"""Traffic of a pipeline's endpoint: what callers got of each version, and its course over the last day."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from plugins.web.sparkline import Sparkline, sparkline
from tidewheel.ledger.traffic import HOUR, MINUTE, Point

if TYPE_CHECKING:
    from tidewheel.policies.guard import Seen

HOURS = 24


@dataclass(frozen=True)
class Answered:
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
    seen: Seen
    per_second: float


@dataclass(frozen=True)
class TrafficSummary:
    """The endpoint's traffic.

    Attributes:
        answered: by the last hour and day, colour and version.
        requests: hour by hour over the last day.
        slowest: the 99th percentile of the answer times, likewise.
    """

    answered: Sequence[Answered]
    requests: Sparkline
    slowest: Sparkline


def traffic(points: Sequence[Point], now: datetime) -> TrafficSummary:
    """Sum up the last day.

    Args:
        points: by the minute, of the last `HOURS` hours.
        now: the time, with its time zone.
    """
    spans = (("hour", timedelta(hours=1)), ("day", timedelta(hours=HOURS)))
    answered = [each for words, length in spans for each in _answered(words, length, points, now)]
    hours: dict[int, Seen] = {}
    for point in points:
        place = HOURS - 1 - int((now - point.start).total_seconds() // HOUR)
        hours[place] = hours[place] + point.seen if place in hours else point.seen
    within = [hours.get(place) for place in range(HOURS)]
    slowest = [seen.quantile(0.99) if seen else None for seen in within]
    return TrafficSummary(
        answered,
        sparkline([seen.requests if seen else 0 for seen in within] if hours else []),
        sparkline([math.nan if time is None else time for time in slowest]),
    )


def _answered(words: str, length: timedelta, points: Sequence[Point], now: datetime) -> Iterator[Answered]:
    sums: dict[tuple[str, str], Seen] = {}
    for point in points:
        if point.start >= now - length - timedelta(seconds=MINUTE):  # a minute that the span cuts counts whole
            key = (point.colour, point.version)
            sums[key] = sums[key] + point.seen if key in sums else point.seen
    for (colour, version), seen in sorted(sums.items(), key=lambda item: -item[1].requests):
        yield Answered(words, colour, version, seen, seen.requests / length.total_seconds())
