"""Totals of a router, and what happened between two readings of them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from tidewheel.policies.guard import RequestCounts, WindowCounts

EARLIER = RequestCounts(requests=100, errors=1, refused=5, times=((1, 60), (5, 40)))
LATER = RequestCounts(requests=130, errors=4, refused=5, times=((1, 60), (5, 60), (300, 10)))


def test_what_happened_in_between_is_the_difference() -> None:
    assert LATER.since(EARLIER) == WindowCounts(requests=30, errors=3, refused=0, times=((5, 20), (300, 10)))
    assert EARLIER.since(EARLIER) == WindowCounts()


def test_a_router_that_began_to_count_anew_says_nothing_of_the_time_in_between() -> None:
    assert EARLIER.since(LATER) is None
    assert replace(LATER, errors=0).since(EARLIER) is None
    assert replace(LATER, times=((5, 90),)).since(EARLIER) is None


def test_a_reading_survives_the_ledger() -> None:
    assert RequestCounts.from_json(json.loads(json.dumps(asdict(LATER)))) == LATER
