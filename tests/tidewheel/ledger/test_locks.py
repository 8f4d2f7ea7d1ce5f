"""One process at a time works on a release, and knows when it may no longer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Event, Thread

import pytest
from sqlalchemy import text

from tests.conftest import wait_until
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.locks import Busy
from tidewheel.ledger.releases import Releases, Status, TakenOver

NOW, LATER = datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def releases(database_url: str) -> Iterator[Releases]:
    ledger = Ledger(database_url)
    yield Releases(ledger)
    ledger.engine.dispose()


def _process(database_url: str) -> Iterator[Ledger]:
    """A process of its own, as far as PostgreSQL can tell."""
    ledger = Ledger(database_url)
    yield ledger
    ledger.engine.dispose()


other = pytest.fixture(_process, name="other")
watching = pytest.fixture(_process, name="watching")


def end_sessions(ledger: Ledger, *, holding: bool) -> int:
    """End the sessions that hold the lock, or those that have asked for it in vain, as a restart does; how many."""
    query = text(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid() "
        "and (query like '%pg_try_advisory_lock%' or query = 'COMMIT') "
        "and :holding = (pid in (select pid from pg_locks where locktype = 'advisory' and granted))"
    )
    with ledger.engine.connect() as connection:
        return int(connection.scalar(query, {"holding": holding}) or 0)


def test_a_second_process_waits_and_is_told_whom_for(releases: Releases, other: Ledger) -> None:
    with (
        releases.exclusively("shop", 1),
        pytest.raises(LedgerError, match="another process has been working on the release of shop"),
        Releases(other).exclusively("shop", 0.3),
    ):
        pass
    with Releases(other).exclusively("shop", 1):
        pass


def test_two_pipelines_do_not_wait_for_one_another(releases: Releases, other: Ledger) -> None:
    with releases.exclusively("shop", 1), Releases(other).exclusively("bank", 0):
        pass


def test_a_lock_that_was_lost_is_taken_again_where_nobody_had_it_meanwhile(releases: Releases, other: Ledger) -> None:
    with releases.exclusively("shop", 1):
        row = releases.begin("shop", "1", "blue", {"stages": []}, "run", NOW)
        releases.stage_began(row.id, 0, "package", NOW)
        wait_until(lambda: end_sessions(other, holding=True) > 0, "the connection is gone")
        releases.stage_ended(row.id, 0, Status.DONE, {}, NOW)
        with pytest.raises(Busy), Releases(other).exclusively("shop", 0):
            pass
    assert [stage.status for stage in releases.stages(row.id)] == [Status.DONE]


@pytest.mark.parametrize("still_there", [True, False])
def test_who_has_lost_the_lock_to_another_writes_nothing_more(
    releases: Releases, other: Ledger, watching: Ledger, still_there: bool
) -> None:
    theirs = Releases(other)
    with ExitStack() as stack, releases.exclusively("shop", 1):
        row = releases.begin("shop", "1", "blue", {"stages": []}, "run", NOW)
        releases.stage_began(row.id, 0, "package", NOW)
        wait_until(lambda: end_sessions(watching, holding=True) > 0, "the connection is gone")
        held = stack.enter_context(ExitStack())
        held.enter_context(theirs.exclusively("shop", 1))
        theirs.stage_began(row.id, 0, "package", LATER)
        if not still_there:
            held.close()
        with pytest.raises(TakenOver, match="nothing more is written"):
            releases.stage_ended(row.id, 0, Status.DONE, {}, NOW)
        with pytest.raises(TakenOver):
            releases.end(row.id, Status.FAILED, "because", NOW)
    assert [(stage.status, stage.started_at) for stage in theirs.stages(row.id)] == [(Status.RUNNING, LATER)]
    assert theirs.get(row.id).status == Status.RUNNING


def test_who_had_written_nothing_before_the_lock_was_lost_begins_again(releases: Releases, other: Ledger) -> None:
    with releases.exclusively("shop", 1):
        wait_until(lambda: end_sessions(other, holding=True) > 0, "the connection is gone")
        with pytest.raises(TakenOver, match="resume the release"):
            releases.point("shop", "blue", "1", None, NOW)


def test_who_waits_for_the_lock_waits_on_when_the_ledger_comes_back(
    releases: Releases, other: Ledger, watching: Ledger
) -> None:
    had = Event()

    def wait() -> None:
        with Releases(other).exclusively("shop", 60):
            had.set()

    with releases.exclusively("shop", 1):
        waiting = Thread(target=wait)
        waiting.start()
        wait_until(lambda: end_sessions(watching, holding=False) > 0, "the waiting one is cut off")
        assert not had.is_set()
    waiting.join(30)
    assert had.is_set()


def test_a_ledger_that_stays_away_is_one_sentence() -> None:
    nowhere = Ledger("postgresql+psycopg2://tidewheel:sesame@127.0.0.1:1/tidewheel", patience_seconds=0.5)
    with (
        pytest.raises(LedgerError, match=r"the ledger was lost while waiting for the release of shop: .*refused"),
        Releases(nowhere).exclusively("shop", 60),
    ):
        pass
