"""An open loop: what it sends, what it counts, and that waiting is part of a latency."""

from __future__ import annotations

import asyncio
import statistics
import threading

import pytest

from jobs.load.arrivals import Arrivals, LoadResult, Plan, RequestOutcome
from jobs.load.connection import LoadTarget
from jobs.load.figures import Figures, figures, not_reached
from tests.free_ports import free_port
from tests.jobs.load.conftest import Handler, Scripted
from tidewheel.errors import UsageError

BODIES = [b'{"rows": [{"weight": 1.0}]}', b'{"rows": [{"weight": 2.0}]}']


def play(url: str, rate: float, seconds: float, connections: int = 50) -> LoadResult:
    return asyncio.run(Arrivals(LoadTarget(url, {"x-mark": "m"}), BODIES, connections).play(Plan(rate, seconds)))


def sum_up(url: str, rate: float, seconds: float) -> Figures:
    return figures(play(url, rate, seconds))


def test_every_request_of_the_plan_is_sent_and_counted(endpoint: Scripted) -> None:
    found = sum_up(endpoint.url, 100, 1.5)
    assert found.requests == len(endpoint.received) == 150
    assert found.sent == [100, 50]
    assert found.answered == {("7", "green"): 150}
    assert found.errors == {}
    assert found.rate == pytest.approx(100, rel=0.3)
    assert {one["x-mark"] for one in endpoint.received} == {"m"}
    assert [sum(one["rows"] == [{"weight": weight}] for one in endpoint.received) for weight in (1.0, 2.0)] == [75, 75]


def test_requests_that_are_due_while_the_endpoint_stands_still_show_that_they_waited(endpoint: Scripted) -> None:
    """A loop that waits for each answer would send one request in that time, and one latency would be long."""
    standing, lock = 0.6, threading.Lock()

    def stand_still_once(handler: Handler) -> int:
        with lock:
            if not stopped.is_set() and len(endpoint.received) >= 20:
                stopped.set()
                threading.Event().wait(standing)
        return 200

    stopped = threading.Event()
    endpoint.behaviour = stand_still_once
    played = play(endpoint.url, 100, 1.2, connections=1)  # with a single connection all that is due must wait
    waited = [one.latency for one in played.outcomes if one.latency > standing / 3]
    assert len(waited) > 100 * standing / 3
    assert figures(played).errors == {}
    assert statistics.median(one.late for one in played.outcomes) < standing / 6, "the sender itself was not late"


def test_a_load_that_is_ended_early_is_summed_up_as_the_shorter_load_that_it_was(endpoint: Scripted) -> None:
    arrivals = Arrivals(LoadTarget(endpoint.url, {}), BODIES)
    played = asyncio.run(arrivals.play(Plan(100, 3600), lambda: len(endpoint.received) >= 50))
    found = figures(played)
    assert 50 <= found.requests < 150
    assert found.requests == len(endpoint.received)
    assert found.rate > 10, "over the hour that was planned it would be less than 1"


def test_failures_are_counted_by_kind_and_seconds(endpoint: Scripted) -> None:
    statuses = iter([*[503] * 10, *[0] * 5, *[200] * 1000])
    lock = threading.Lock()

    def scripted(handler: Handler) -> int:
        with lock:
            return next(statuses)

    endpoint.behaviour = scripted
    found = sum_up(endpoint.url, 50, 1.0)
    assert found.errors == {"HTTP 503": 10, "connection closed": 5}
    assert (found.failures, sum(found.failed), found.requests) == (15, 15, 50)
    assert found.answered == {("7", "green"): 35}


def test_an_endpoint_that_is_away_is_a_kind_of_failure_and_does_not_end_the_load() -> None:
    found = sum_up(f"http://127.0.0.1:{free_port()}/parcels", 50, 0.4)
    [(kind, count)] = found.errors.items()
    assert "refused" in kind.lower() or "connect call failed" in kind.lower(), kind
    assert count == 20
    assert found.answered == {}


def test_a_sender_that_cannot_keep_the_rate_says_what_it_reached() -> None:
    plan = Plan(1000, 1)
    kept = LoadResult(plan, [RequestOutcome(n / 1000, 0.001, 0.002) for n in range(1000)], 1.0)
    assert not_reached(kept, figures(kept)) == ""
    slow = LoadResult(plan, [RequestOutcome(n / 1000, n / 1000, 0.002 + n / 1000) for n in range(1000)], 2.0)
    said = not_reached(slow, figures(slow))
    assert "did not keep the rate of 1000 requests/s: it sent 500 a second" in said
    assert "989 ms late" in said


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(UsageError, match="found the URL 'ftp://there/parcels'; expected http://HOST:PORT/PIPELINE"):
        LoadTarget("ftp://there/parcels", {}).request(b"")
