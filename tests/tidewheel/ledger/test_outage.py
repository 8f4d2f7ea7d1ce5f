"""What a job asks or tells the ledger while PostgreSQL is started again is asked and told afterwards, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from tests.conftest import PostgresServer, wait_until
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.outage import LedgerAway
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.traffic import Reading, TrafficLog
from tidewheel.policies.guard import RequestCounts
from tidewheel.policies.verdict import Kind, Outcome, Verdict

NOW = datetime(2026, 11, 22, tzinfo=UTC)
GOOD = Verdict(Kind.GATE, Outcome.PASSED, "good")
Do = Callable[[Ledger, str], object]


@pytest.fixture
def ledger(restarted_postgres: PostgresServer) -> Iterator[Ledger]:
    opened = Ledger(restarted_postgres.url("postgres"))
    yield opened
    opened.engine.dispose()


@pytest.mark.parametrize(
    ("do", "done"),
    [
        (
            lambda ledger, name: ledger.record(name, "v1", "r", GOOD, NOW),
            lambda ledger, name: len(ledger.verdicts(name, limit=None)) == 1,
        ),
        (
            lambda ledger, name: ledger.put_figures(name, "2026-11-21", {"rows": 1.0}, NOW),
            lambda ledger, name: len(ledger.figures(name, "rows")) == 1,
        ),
        (
            lambda ledger, name: ledger.fire_request(name, "2026-11-21", "because", NOW),
            lambda ledger, name: len(ledger.requests(name)) == 1,
        ),
        (
            lambda ledger, name: Releases(ledger).begin(name, "1", "blue", {}, "r", NOW),
            lambda ledger, name: len(Releases(ledger).newest(name)) == 1,
        ),
        (
            lambda ledger, name: Releases(ledger).point(name, "blue", "1", None, NOW),
            lambda ledger, name: Releases(ledger).endpoint(name) is not None,
        ),
        (
            lambda ledger, name: TrafficLog(ledger).record(Reading(name, NOW, 60, {(name, "blue"): RequestCounts(7)})),
            lambda ledger, name: (
                [point.seen.requests for point in TrafficLog(ledger).series(name, NOW, NOW + timedelta(hours=1))] == [7]
            ),
        ),
    ],
    ids=["a verdict", "figures", "a request for a training", "a release", "an endpoint", "traffic"],
)
@pytest.mark.parametrize("away", ["before", "connected"])
def test_what_is_written_while_the_ledger_is_away_is_there_once_afterwards(
    ledger: Ledger, restarted_postgres: PostgresServer, do: Do, done: Do, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"p{uuid4().hex[:8]}"
    if away == "connected":
        ledger.verdicts(name)  # the pool holds a connection that the restart ends
    restarted_postgres.stop()
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(do, ledger, name)
        wait_until(lambda: "waiting up to 30 s for the ledger" in caplog.text, "it waits")
        restarted_postgres.start()
        writing.result(60)
    assert done(ledger, name)


def test_a_connection_that_ends_in_the_middle_is_asked_again(ledger: Ledger) -> None:
    name, ended = f"p{uuid4().hex[:8]}", []

    def ending(*_: object) -> None:
        if not ended:
            ended.append(True)
            with Ledger(ledger.engine.url.render_as_string(hide_password=False)).engine.connect() as other:
                query = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                other.execute(text(f"{query} and datname = current_database()"))

    event.listen(ledger.engine, "before_cursor_execute", ending)
    ledger.record(name, "v1", "r", GOOD, NOW)
    assert ended
    assert len(ledger.verdicts(name, limit=None)) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg2://tidewheel:wrong@{place}/postgres", "password authentication failed"),
        ("postgresql+psycopg2://{user}@{place}/nowhere", '"nowhere" does not exist'),
    ],
)
def test_what_no_waiting_mends_is_said_at_once(ledger: Ledger, url: str, said: str) -> None:
    real = ledger.engine.url
    place, user = f"{real.host}:{real.port}", f"{real.username}:{real.password}"
    began = time.monotonic()
    with pytest.raises(LedgerError, match=said) as wrong:
        Ledger(url.format(place=place, user=user), patience_seconds=60).verdicts("shop")
    assert not isinstance(wrong.value, LedgerAway)
    assert time.monotonic() - began < 30
