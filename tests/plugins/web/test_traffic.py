"""What the page of a pipeline says of its endpoint's traffic."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from plugins.web.traffic import traffic
from tidewheel.ledger.traffic import DAY, MINUTE, Reading, TrafficLog, TrafficPoint
from tidewheel.policies.guard import RequestCounts, WindowCounts

if TYPE_CHECKING:
    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Get = Callable[..., httpx.Response]


def minute(before: timedelta, version: str, requests: int, milliseconds: float, errors: int = 0) -> TrafficPoint:
    return TrafficPoint(
        NOW - before, MINUTE, "blue", version, WindowCounts(requests, errors, 0, ((milliseconds, requests),))
    )


def test_each_version_is_summed_over_the_last_hour_and_day() -> None:
    found = traffic(
        [
            minute(timedelta(hours=23), "1", 600, 8.0),
            minute(timedelta(minutes=30), "1", 100, 4.0),
            minute(timedelta(minutes=10), "2", 3600, 2.0, errors=36),
        ],
        NOW,
    )
    assert [(each.span, each.version, each.seen.requests, each.seen.errors) for each in found.answered] == [
        ("hour", "2", 3600, 36),
        ("hour", "1", 100, 0),
        ("day", "2", 3600, 36),
        ("day", "1", 700, 0),
    ]
    assert found.answered[0].per_second == 1.0
    assert found.answered[3].seen.quantile(0.5) == 8.0


def test_the_course_of_a_day_is_by_ten_minutes_and_version_that_of_sixty_by_days() -> None:
    rolled_up = TrafficPoint(
        NOW - timedelta(days=40, hours=12), DAY, "green", "0", WindowCounts(9000, 9, 0, ((math.inf, 9000),))
    )
    found = traffic(
        [
            rolled_up,
            minute(timedelta(minutes=35), "1", 100, 4.0),
            minute(timedelta(minutes=31), "1", 50, 8.0, errors=2),
            minute(timedelta(minutes=12), "1", 10, 4.0),
            minute(timedelta(minutes=12), "2", 20, 2.0),
        ],
        NOW,
    )
    day, days = found.drawn["day"], found.drawn["days"]
    assert (day["step"], len(day["starts"]), day["starts"][-1]) == (600, 145, NOW.timestamp())
    assert [line["name"] for line in day["lines"]] == ["version 1", "version 2"]
    assert day["lines"][0]["requests"][-6:] == [None, 150, 0, 10, None, None], (
        "none before its first, or after its last"
    )
    assert day["lines"][0]["errors"][-5] == 2
    assert (day["lines"][0]["p50"][-5], day["lines"][0]["p99"][-5], day["lines"][0]["p50"][-4]) == (4.0, 8.0, None)
    assert (days["step"], len(days["starts"])) == (DAY, 61)
    assert [line["requests"][-1] for line in days["lines"]] == [None, 160, 20]
    assert days["lines"][0]["requests"][20] == 9000
    assert days["lines"][0]["p99"][20] is None, "JSON has no infinity"
    assert found.courses[1].rows[0][:3] == ("2026-11-22", "blue", "1")


def test_an_endpoint_without_requests_has_nothing_to_draw() -> None:
    found = traffic([], NOW)
    assert (found.answered, found.courses, found.drawn) == ([], [], {})


def test_the_page_shows_what_the_recorder_has_left(get: Get, lake: Lake, ledger: Ledger, registry: str) -> None:
    assert "No requests in the last day." in get("/pipeline/orders").text
    now = datetime.now(UTC)
    counted = {("orders", "blue"): RequestCounts(1234, 5, 6, ((2.5, 1234),))}
    TrafficLog(ledger).record(Reading("router", now, 100.0, counted))
    page = get("/pipeline/orders").text
    section = page[page.index('<section id="traffic"') : page.index('<section id="releases"')]
    for shown in ("1,234", "<td>5</td>", "<td>6</td>", "<td>2.5</td>", "The last 60 days as a table", "</i>blue</th>"):
        assert shown in section
