"""Counters of routers become traffic by the minute: each request once, whatever is started again meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status
from tidewheel.ledger.renaming import rename_rows
from tidewheel.ledger.traffic import DAY, HOUR, MINUTE, Reading, TrafficLog, by_version
from tidewheel.policies.guard import RequestCounts, WindowCounts

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
BLUE, GREEN = ("orders", "blue"), ("orders", "green")


@pytest.fixture
def traffic(database_url: str) -> Iterator[TrafficLog]:
    ledger = Ledger(database_url)
    yield TrafficLog(ledger)
    ledger.engine.dispose()


def counted(requests: int, errors: int = 0, refused: int = 0) -> RequestCounts:
    return RequestCounts(requests, errors, refused, ((5.0, requests - errors), (250.0, errors)))


def reading(
    seconds: float,
    uptime: float,
    totals: dict[tuple[str, str], RequestCounts],
    router: str = "envoy",
    start: datetime = NOW,
) -> Reading:
    return Reading(router, start + timedelta(seconds=seconds), uptime, totals)


def requests(traffic: TrafficLog, seconds: int = MINUTE) -> list[tuple[int, int]]:
    """Minutes since NOW, and requests of all colours in them."""
    points = traffic.series("orders", NOW - timedelta(days=400), NOW + timedelta(days=400), seconds)
    return [((point.start - NOW) // timedelta(minutes=1), point.seen.requests) for point in points]


def test_what_a_router_has_counted_since_its_last_reading_is_added_to_the_minute(traffic: TrafficLog) -> None:
    for seconds, total in (
        (15, counted(10, 1, 2)),
        (45, counted(30, 1, 2)),
        (75, counted(30, 1, 2)),
        (90, counted(31)),
    ):
        traffic.record(reading(seconds, seconds, {BLUE: total}))

    # the last reading has fewer errors than the one before: the counters began anew
    first, second = traffic.series("orders", NOW, NOW + timedelta(hours=1))
    assert (first.start, first.seconds, first.colour) == (NOW, 60, "blue")
    assert first.seen == WindowCounts(30, 1, 2, ((5.0, 29), (250.0, 1)))
    assert (first.seen.quantile(0.5), first.seen.quantile(0.99)) == (5.0, 250.0)
    assert (second.start, second.seen.requests) == (NOW + timedelta(minutes=1), 31)


def test_times_that_a_router_has_later_than_their_requests_are_added(traffic: TrafficLog) -> None:
    traffic.record(reading(0, 10, {BLUE: RequestCounts(10)}))
    traffic.record(reading(15, 25, {BLUE: counted(10)}))

    [point] = traffic.series("orders", NOW, NOW + timedelta(hours=1))
    assert (point.seen.requests, point.seen.timed) == (10, 10)


def test_a_reading_that_is_recorded_twice_or_late_counts_once(traffic: TrafficLog) -> None:
    early, late = reading(10, 100, {BLUE: counted(10)}), reading(20, 110, {BLUE: counted(30)})
    for each in (early, early, late, early, late):
        traffic.record(each)

    assert requests(traffic) == [(0, 30)]


def test_two_collectors_of_one_router_count_each_request_once(traffic: TrafficLog) -> None:
    def collect(offset: float) -> None:
        for n in range(10):
            moment = 2 * n + offset
            traffic.record(reading(moment, 100 + moment, {BLUE: counted(int(10 * moment))}))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(collect, (0.0, 1.0)))

    assert requests(traffic) == [(0, 190)]


@pytest.mark.parametrize("before_restart", [40, 7], ids=["fewer requests than before", "more requests than before"])
def test_a_router_that_was_started_again_is_counted_from_zero(traffic: TrafficLog, before_restart: int) -> None:
    traffic.record(reading(0, 500, {BLUE: counted(before_restart)}))
    traffic.record(reading(60, 20, {BLUE: counted(9)}))
    traffic.record(reading(120, 80, {BLUE: counted(10)}))

    assert requests(traffic) == [(0, before_restart), (1, 9), (2, 1)]


def test_a_colour_that_the_router_dropped_is_counted_from_zero_when_it_is_back(traffic: TrafficLog) -> None:
    traffic.record(reading(0, 10, {BLUE: counted(10)}))
    traffic.record(reading(60, 70, {}))
    traffic.record(reading(120, 130, {BLUE: counted(15)}))

    assert requests(traffic) == [(0, 10), (2, 15)]


def test_what_a_router_was_not_asked_about_is_not_counted_anew(traffic: TrafficLog) -> None:
    traffic.record(reading(0, 10, {BLUE: counted(10)}))
    traffic.record(replace(reading(60, 70, {}), pipelines=frozenset()))
    traffic.record(reading(120, 130, {BLUE: counted(15)}))

    assert requests(traffic) == [(0, 10), (2, 5)]


def test_what_a_router_has_counted_for_long_before_the_first_reading_is_not_of_that_minute(traffic: TrafficLog) -> None:
    traffic.record(reading(0, 90_000, {BLUE: counted(1_000_000)}))
    traffic.record(reading(60, 90_060, {BLUE: counted(1_000_007)}))

    assert requests(traffic) == [(1, 7)]


def test_after_a_long_absence_of_the_collector_nothing_is_missing(traffic: TrafficLog) -> None:
    traffic.record(reading(0, 10, {BLUE: counted(10)}))
    traffic.record(reading(36_000, 36_010, {BLUE: counted(5000)}))

    assert requests(traffic) == [(0, 10), (600, 4990)]


def test_a_clock_that_is_set_back_loses_nothing(traffic: TrafficLog) -> None:
    traffic.record(reading(600, 600, {BLUE: counted(10)}))
    traffic.record(reading(0, 615, {BLUE: counted(25)}))
    traffic.record(reading(15, 630, {BLUE: counted(26)}))

    assert sorted(requests(traffic)) == [(0, 16), (10, 10)]


def test_each_colour_has_the_version_that_its_newest_release_brought(traffic: TrafficLog) -> None:
    releases = Releases(traffic.ledger)
    traffic.record(reading(0, 1, {BLUE: counted(1)}))
    for n, (version, colour) in enumerate((("3", "blue"), ("4", "green"), ("5", "blue")), start=1):
        release = releases.begin("orders", version, colour, {}, f"run {n}", NOW + timedelta(minutes=n))
        releases.end(release.id, Status.DONE, "", NOW + timedelta(minutes=n))
        traffic.record(reading(60 * n, 60 * n, {BLUE: counted(10 * n), GREEN: counted(n)}))

    points = traffic.series("orders", NOW, NOW + timedelta(hours=1))
    found = [(point.version, point.colour, point.seen.requests) for point in points]
    assert found == [
        ("", "blue", 1), ("3", "blue", 9), ("", "green", 1),
        ("3", "blue", 10), ("4", "green", 1), ("5", "blue", 10), ("4", "green", 1),
    ]  # fmt: skip
    assert {version: seen.requests for version, seen in by_version(points).items()} == {"": 2, "3": 19, "4": 2, "5": 10}


def test_each_pod_of_a_gateway_has_counters_of_its_own(traffic: TrafficLog) -> None:
    for router, total in (("pod-a", 10), ("pod-b", 20)):
        traffic.record(reading(0, 50, {BLUE: counted(total)}, router))
        traffic.record(reading(15, 65, {BLUE: counted(total + 1)}, router))

    assert requests(traffic) == [(0, 32)]


def test_a_pipeline_that_gets_another_name_takes_its_traffic_along_and_is_not_counted_again(
    traffic: TrafficLog,
) -> None:
    traffic.record(reading(0, 10, {BLUE: counted(10)}))
    rename_rows(traffic.ledger, "orders", "purchases")
    traffic.record(reading(60, 70, {BLUE: counted(11)}))

    assert requests(traffic) == [(1, 1)]
    assert len(traffic.series("purchases", NOW, NOW + timedelta(hours=1))) == 1


def test_minutes_become_hours_and_days_with_age_and_no_request_is_lost(traffic: TrafficLog) -> None:
    start = datetime(2026, 7, 1, tzinfo=UTC)
    for n in range(1, 49):  # every hour for two days
        traffic.record(reading(3600 * n - 1, 3600 * n, {BLUE: counted(100 * n)}, start=start))
    end = start + timedelta(days=2)

    def spans() -> dict[int, int]:
        found: dict[int, int] = {}
        for point in traffic.series("orders", start, end):
            found[point.seconds] = found.get(point.seconds, 0) + point.seen.requests
        return found

    assert spans() == {MINUTE: 4800}
    traffic.roll_up(end + timedelta(days=1, minutes=30))  # the first day is older than two days, but for its last hour
    assert spans() == {HOUR: 2400, MINUTE: 2400}
    traffic.roll_up(end + timedelta(days=59))
    assert spans() == {DAY: 2400, HOUR: 2400}
    traffic.roll_up(end + timedelta(days=59))
    [day, *_] = traffic.series("orders", start, end, DAY)
    assert (day.start, day.seen.requests, day.seen.times) == (start, 2400, ((5.0, 2400),))


def test_routers_that_are_gone_are_forgotten_with_their_counters(traffic: TrafficLog) -> None:
    assert traffic.read_at() is None
    traffic.record(reading(0, 10, {BLUE: counted(10)}, "pod-a"))
    traffic.roll_up(NOW + timedelta(days=61))

    assert traffic.read_at() is None
    assert sum(count for _, count in requests(traffic)) == 10
