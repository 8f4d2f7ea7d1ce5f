"""What callers got of each version over time, from routers' counters: by the minute, and coarser with age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import idempotent
from tidewheel.ledger.section import LedgerSection
from tidewheel.ledger.tables import EndpointRow, ReleaseRow, RouterReadingRow, RouterTotalRow, TrafficRow
from tidewheel.policies.guard import RequestCounts, WindowCounts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MINUTE, HOUR, DAY = 60, 3600, 86_400
ROLL_UPS = ((MINUTE, HOUR, timedelta(days=2)), (HOUR, DAY, timedelta(days=60)))
"""Rows of a span become part of a longer one when they are so old."""
FORGOTTEN_ROUTER = timedelta(days=60)
"""A router that was not read for so long will not come back: a gateway's pods have names of their own."""
Key = tuple[str, str, str]
"""Pipeline, colour and version."""


@dataclass(frozen=True)
class Reading:
    """A router's counters at a moment.

    Attributes:
        router: its name; its counters begin anew with each of its processes.
        at: when it was read.
        uptime_seconds: how long its process had run.
        counted: totals by pipeline and colour; what has never had a request may be left out.
        pipelines: that the router was read for; None: all. Totals of others stay as they are.
    """

    router: str
    at: datetime
    uptime_seconds: float
    counted: Mapping[tuple[str, str], RequestCounts]
    pipelines: frozenset[str] | None = None


@dataclass(frozen=True)
class TrafficPoint:
    """What callers got from one version in one span of time.

    Attributes:
        start: of the span.
        seconds: its length.
        colour: that answered.
        version: of the model; empty where no release says which one the colour had.
        seen: requests, errors (5xx), refused requests (4xx) and times.
    """

    start: datetime
    seconds: int
    colour: str
    version: str
    seen: WindowCounts


class TrafficLog(LedgerSection):
    """The traffic of all pipelines.

    Args:
        ledger: that has it.
    """

    @idempotent
    def record(self, reading: Reading) -> None:
        """Add what a router has counted since its last reading to the minute of this one.

        Rows and the state of the counters change in one transaction: a reader goes on there after a restart. A
        router has begun to count anew where it has run for less time than before, or a counter of it is smaller.
        """
        with self.ledger.session() as session:
            one_at_a_time(session, "traffic")
            before = session.get(RouterReadingRow, reading.router)
            if before and reading.at <= _utc(before.read_at) and reading.uptime_seconds <= before.uptime_seconds:
                return  # another process has read the same router, and later
            anew = before is None or reading.uptime_seconds < before.uptime_seconds
            if before is None and reading.uptime_seconds > HOUR and _is_first(session, reading.at):
                _keep_reading(session, reading, {})  # it has counted for long before anybody looked
                return
            totals = _totals(session, reading.router)
            known = {} if anew else {service: RequestCounts.from_json(row.counted) for service, row in totals.items()}
            found = {}
            for (pipeline, colour), counted in reading.counted.items():
                found[pipeline, colour] = _since(counted, known.get(f"{pipeline}-{colour}", RequestCounts()))
            _add(session, _versioned(session, found, reading.at), MINUTE, _floor(reading.at, MINUTE))
            _keep_reading(session, reading, totals)

    @idempotent
    def roll_up(self, now: datetime) -> None:
        """Make hours of old minutes and days of old hours, and forget routers that are gone."""
        with self.ledger.session() as session:
            one_at_a_time(session, "traffic")
            for fine, coarse, age in ROLL_UPS:
                old = (TrafficRow.seconds == fine, TrafficRow.start < _floor(now - age, coarse))
                sums: dict[datetime, dict[Key, WindowCounts]] = {}
                for row in session.scalars(select(TrafficRow).where(*old)):
                    key, of_span = _key(row), sums.setdefault(_floor(_utc(row.start), coarse), {})
                    of_span[key] = of_span.get(key, WindowCounts()) + _seen(row)
                for start, added in sums.items():
                    _add(session, added, coarse, start)
                session.execute(delete(TrafficRow).where(*old))
            gone = select(RouterReadingRow.router).where(RouterReadingRow.read_at < now - FORGOTTEN_ROUTER)
            session.execute(delete(RouterTotalRow).where(RouterTotalRow.router.in_(gone)))
            session.execute(delete(RouterReadingRow).where(RouterReadingRow.read_at < now - FORGOTTEN_ROUTER))

    @idempotent
    def forget(self, before: datetime, *, dry_run: bool) -> int:
        """Delete figures of before a time, or count them alone; returns how many rows."""
        old = TrafficRow.start < before
        with self.ledger.session() as session:
            one_at_a_time(session, "traffic")
            count = session.scalar(select(func.count()).select_from(TrafficRow).where(old)) or 0
            if not dry_run:
                session.execute(delete(TrafficRow).where(old))
        return count

    @idempotent
    def series(self, pipeline: str, first: datetime, last: datetime, seconds: int = MINUTE) -> list[TrafficPoint]:
        """What callers of a pipeline got from each colour and version over a span, oldest first.

        Args:
            pipeline: its name.
            first: begin of the span.
            last: its end, which is not part of it.
            seconds: length of a point; what has been rolled up to a longer span comes as such a one.

        Returns:
            Points with requests; minutes that had none are left out.
        """
        query = select(TrafficRow).where(
            TrafficRow.pipeline == pipeline, TrafficRow.start >= _floor(first, seconds), TrafficRow.start < last
        )
        sums: dict[tuple[datetime, int, str, str], WindowCounts] = {}
        with self.ledger.session() as session:
            for row in session.scalars(query):
                span = max(seconds, row.seconds)
                key = (_floor(_utc(row.start), span), span, row.colour, row.version)
                sums[key] = sums.get(key, WindowCounts()) + _seen(row)
        return [TrafficPoint(*key, seen) for key, seen in sorted(sums.items(), key=lambda item: item[0])]

    @idempotent
    def read_at(self) -> datetime | None:
        """When a router was last read; None before the first time."""
        with self.ledger.session() as session:
            newest = session.scalar(select(func.max(RouterReadingRow.read_at)))
        return _utc(newest) if newest else None


def by_version(points: Iterable[TrafficPoint]) -> dict[str, WindowCounts]:
    """All points of each version together."""
    sums: dict[str, WindowCounts] = {}
    for point in points:
        sums[point.version] = sums.get(point.version, WindowCounts()) + point.seen
    return sums


def _since(counted: RequestCounts, earlier: RequestCounts) -> WindowCounts:
    """What happened since an earlier reading, or since the router has begun to count anew."""
    seen = counted.since(earlier)
    return WindowCounts(counted.requests, counted.errors, counted.refused, counted.times) if seen is None else seen


def _versioned(
    session: Session, found: Mapping[tuple[str, str], WindowCounts], at: datetime
) -> dict[Key, WindowCounts]:
    """What had requests or times, with the version that the newest release brought to each colour."""
    busy = {key: seen for key, seen in found.items() if seen.requests or seen.timed}  # Envoy has times a little later
    if not busy:
        return {}
    pipelines = {pipeline for pipeline, _ in busy}
    newest = (
        select(func.max(ReleaseRow.id))
        .where(ReleaseRow.pipeline.in_(pipelines), ReleaseRow.started_at <= at)
        .group_by(ReleaseRow.pipeline, ReleaseRow.colour)
    )
    endpoints = session.scalars(select(EndpointRow).where(EndpointRow.pipeline.in_(pipelines)))
    versions = {(row.pipeline, row.colour): row.version for row in endpoints}
    for row in session.scalars(select(ReleaseRow).where(ReleaseRow.id.in_(newest))):
        versions[row.pipeline, row.colour] = row.version
    return {(*key, versions.get(key, "")): seen for key, seen in busy.items()}


def _add(session: Session, added: Mapping[Key, WindowCounts], seconds: int, start: datetime) -> None:
    query = select(TrafficRow).where(TrafficRow.seconds == seconds, TrafficRow.start == start)
    rows = {_key(row): row for row in session.scalars(query)} if added else {}
    for key, seen in added.items():
        if (row := rows.get(key)) is None:
            pipeline, colour, version = key
            row = TrafficRow(pipeline=pipeline, colour=colour, version=version, seconds=seconds, start=start)
            row.requests, row.errors, row.refused, row.times = 0, 0, 0, []
            session.add(row)
        both = _seen(row) + seen
        row.requests, row.errors, row.refused = both.requests, both.errors, both.refused
        row.times = [list(pair) for pair in both.times]


def _totals(session: Session, router: str) -> dict[str, RouterTotalRow]:
    rows = session.scalars(select(RouterTotalRow).where(RouterTotalRow.router == router))
    return {row.service: row for row in rows}


def _is_first(session: Session, at: datetime) -> bool:
    """Whether no router has been read before, but for those that were read together with this one."""
    before = select(RouterReadingRow.router).where(RouterReadingRow.read_at < at - timedelta(seconds=MINUTE))
    return session.scalar(before.limit(1)) is None


def _keep_reading(session: Session, reading: Reading, totals: Mapping[str, RouterTotalRow]) -> None:
    new = {f"{pipeline}-{colour}": asdict(counted) for (pipeline, colour), counted in reading.counted.items()}
    for service, counted in new.items():
        if (row := totals.get(service)) is None:
            session.add(RouterTotalRow(router=reading.router, service=service, counted=counted))
        elif RequestCounts.from_json(row.counted) != RequestCounts.from_json(counted):
            row.counted = counted
    for service in totals.keys() - new.keys():
        # The router has dropped it, and counts from zero if it comes back.
        if reading.pipelines is None or service.rpartition("-")[0] in reading.pipelines:
            session.delete(totals[service])
    session.merge(RouterReadingRow(router=reading.router, read_at=reading.at, uptime_seconds=reading.uptime_seconds))


def _key(row: TrafficRow) -> Key:
    return row.pipeline, row.colour, row.version


def _seen(row: TrafficRow) -> WindowCounts:
    return WindowCounts(row.requests, row.errors, row.refused, tuple((limit, count) for limit, count in row.times))


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)  # SQLite has no time zones


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)
