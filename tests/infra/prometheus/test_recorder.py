"""Traffic reaches the ledger from a real Envoy; a router, a ledger or a collector that goes away loses none of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.envoy.admin import ClusterRequests, EnvoyAdmin
from infra.prometheus.recorder import TrafficRecorder
from infra.prometheus.routers import RouterCounts, envoy_counts
from tests.conftest import wait_until
from tests.infra.prometheus.envoy import RunningEnvoy
from tests.ledger_forms import SAID, older
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.traffic import Reading, TrafficLog, TrafficPoint
from tidewheel.policies.guard import WindowCounts

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def traffic(tmp_path: Path) -> Iterator[TrafficLog]:
    url = f"sqlite:///{tmp_path}/ledger.db"
    migrate(url)
    ledger = Ledger(url)
    yield TrafficLog(ledger)
    ledger.engine.dispose()


def recorder(envoy: RunningEnvoy, traffic: TrafficLog) -> TrafficRecorder:
    admin = EnvoyAdmin(envoy.admin_url)
    return TrafficRecorder(lambda: {"envoy": envoy_counts(admin)}, traffic)


def points(traffic: TrafficLog) -> list[TrafficPoint]:
    return traffic.series("orders", datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))


def total(traffic: TrafficLog) -> WindowCounts:
    return sum((point.seen for point in points(traffic)), WindowCounts())


def test_each_request_is_counted_once_when_envoy_and_the_collector_are_started_again(
    envoy: RunningEnvoy, traffic: TrafficLog
) -> None:
    first = recorder(envoy, traffic)
    first.step()
    before = total(traffic).requests  # those by which the test saw that Envoy routes
    envoy.send(20)
    envoy.send(3, 422)
    first.step()
    envoy.send(2, 500)
    second = recorder(envoy, traffic)  # the collector was started again
    second.step()
    second.step()
    found = total(traffic)
    assert (found.requests - before, found.refused, found.errors) == (25, 3, 2)

    def all_timed() -> bool:
        second.step()
        return total(traffic).timed == found.requests

    wait_until(all_timed, "Envoy has merged its histograms")

    envoy.kill()
    envoy.start()
    envoy.send(30)
    second.step()
    after = total(traffic)
    assert after.requests - found.requests == 31  # one by which the test saw that Envoy routes
    assert (after.refused, after.errors) == (3, 2)

    envoy.route("green")
    envoy.send(5)
    second.step()
    assert {point.colour for point in points(traffic)} == {"blue", "green"}


def test_the_thread_reads_until_it_is_stopped_and_once_more_then(envoy: RunningEnvoy, traffic: TrafficLog) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=recorder(envoy, traffic).run, args=(stop, 60))
    thread.start()
    envoy.send(7)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert total(traffic).requests >= 7


def test_an_answer_that_nobody_foresaw_costs_one_reading(traffic: TrafficLog) -> None:
    stop, asked = threading.Event(), []

    def read() -> dict[str, RouterCounts | None]:
        asked.append(len(asked))
        if len(asked) == 1:
            raise ValueError("no JSON")
        return {}

    thread = threading.Thread(target=TrafficRecorder(read, traffic).run, args=(stop, 0.05))
    thread.start()
    wait_until(lambda: len(asked) > 1, "the routers are read again")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


class Away(TrafficLog):
    """A ledger that is away at first."""

    away = True

    def record(self, reading: Reading) -> None:
        if self.away:
            raise LedgerError("away")
        super().record(reading)

    def roll_up(self, now: datetime) -> None:
        """Nothing is old here."""


class Counting:
    """Stands where a router would: ten requests more at each reading, one each ten seconds."""

    def __init__(self) -> None:
        self.readings, self.uptime, self.requests = 0, 0.0, 0

    def __call__(self) -> dict[str, RouterCounts | None]:
        self.readings += 1
        self.uptime += 10
        self.requests += 10
        counted = ClusterRequests(self.requests, 0, 0, 0, 0, ((2.0, self.requests),))
        at = NOW + timedelta(seconds=10 * self.readings)
        return {"envoy": RouterCounts("envoy", at, self.uptime, {("orders", "blue"): counted})}

    def restart(self) -> None:
        self.uptime, self.requests = 0.0, 0


def test_while_the_ledger_is_away_minutes_are_held_and_written_afterwards(
    traffic: TrafficLog, caplog: pytest.LogCaptureFixture
) -> None:
    away, router = Away(traffic.ledger), Counting()
    recording = TrafficRecorder(router, away)
    for n in range(30):
        if n == 16:
            router.restart()
        recording.step()
    assert not points(traffic)
    away.away = False
    recording.step()

    assert [((point.start - NOW).seconds // 60, point.seen.requests) for point in points(away)] == [
        (0, 50), (1, 60), (2, 60), (3, 60), (4, 60), (5, 20),
    ]  # fmt: skip
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "traffic is held back until the ledger answers",
        "the ledger answers again, and has the traffic",
    ]


def test_traffic_waits_for_tables_that_a_migration_has_not_made_yet(
    empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    older(empty_database_url)
    traffic, router = TrafficLog(Ledger(empty_database_url, patience_seconds=0)), Counting()
    recording = TrafficRecorder(router, traffic)
    for _ in range(6):
        recording.step()
    assert SAID[older] in caplog.text
    migrate(empty_database_url)
    recording.step()

    assert total(traffic).requests == 70
    traffic.ledger.engine.dispose()


def test_a_ledger_that_is_away_for_long_costs_the_minutes_but_no_request(
    traffic: TrafficLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.prometheus.recorder.HELD_READINGS", 20)
    away, router = Away(traffic.ledger), Counting()
    recording = TrafficRecorder(router, away)
    for n in range(500):
        if n == 50:
            router.restart()
        recording.step()
    away.away = False
    recording.step()

    found = points(away)
    assert sum(point.seen.requests for point in found) == 10 * router.readings
    assert len(found) <= 22


def test_a_router_that_is_away_is_read_again_later(traffic: TrafficLog) -> None:
    router = Counting()
    answers = iter([None, router()["envoy"], None, router()["envoy"]])
    recording = TrafficRecorder(lambda: {"envoy": next(answers)}, traffic)
    for _ in range(4):
        recording.step()

    assert total(traffic).requests == 20
