"""Traffic of a made-up pipeline, as routers' counters leave it: minutes of a day, days of the two months before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import insert

from benchmarks.made_up_past import MadeUp, answering_of, colour_of, night_of
from tidewheel.ledger import Ledger
from tidewheel.ledger.tables import TrafficRow
from tidewheel.ledger.traffic import DAY, MINUTE

DAYS = 60


def write_traffic(ledger: Ledger, story: MadeUp, now: datetime) -> None:
    """Write the requests of two months until a time, in one transaction."""
    with ledger.session() as session:
        session.execute(insert(TrafficRow), list(_rows(story, now)))


def _rows(story: MadeUp, now: datetime) -> Iterator[dict[str, Any]]:
    chance = random.Random(f"{story.name} traffic {story.seed}")  # noqa: S311  nobody's secret
    midnight = datetime.combine(now.date(), time(), UTC)
    for number in range(DAYS, 0, -1):
        yield _row(story, midnight - timedelta(days=number + 1), DAY, round(9_000 + 1_500 * chance.random()), chance)
    for number in range(24 * 60, 0, -10):
        start = (now - timedelta(minutes=number)).replace(second=0, microsecond=0)
        yield _row(story, start, MINUTE, round(500 + 300 * chance.random()), chance)


def _row(story: MadeUp, start: datetime, seconds: int, requests: int, chance: random.Random) -> dict[str, Any]:
    versions = answering_of(story)
    live = max((v for v in versions if night_of(v.day, 4.5) <= start), key=lambda v: v.day, default=versions[0])
    slow = round(requests * (0.02 + 0.02 * chance.random()))
    return {
        "pipeline": story.name,
        "colour": colour_of(live),
        "version": live.number,
        "seconds": seconds,
        "start": start,
        "requests": requests,
        "errors": round(requests * 0.004 * chance.random()),
        "refused": round(requests * 0.01 * chance.random()),
        "times": [[2.5, requests - slow], [4.0 + 6 * (chance.random() > 0.8), slow]],
    }
