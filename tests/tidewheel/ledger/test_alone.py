"""One process at a time works on a release, and knows when it may no longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from sqlalchemy import text

from tests.conftest import wait_until
from tidewheel.errors import LedgerError
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status

NOW = datetime(2026, 11, 22, tzinfo=UTC)


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


def test_who_has_lost_the_lock_writes_nothing_more(releases: Releases, other: Ledger) -> None:
    with releases.exclusively("shop", 1):
        row = releases.begin("shop", "1", "blue", {"stages": []}, "run", NOW)
        releases.stage_began(row.id, 0, "package", NOW)
        wait_until(lambda: end_sessions(other, holding=True) > 0, "the connection is gone")
        with pytest.raises(LedgerError, match="resume the release"):
            releases.stage_ended(row.id, 0, Status.DONE, {}, NOW)
    assert [stage.status for stage in Releases(other).stages(row.id)] == [Status.RUNNING]
    with releases.exclusively("shop", 1):
        releases.stage_ended(row.id, 0, Status.DONE, {}, NOW)
    assert [stage.status for stage in releases.stages(row.id)] == [Status.DONE]


def test_a_ledger_lost_while_waiting_is_one_sentence(releases: Releases, other: Ledger, watching: Ledger) -> None:
    said: list[str] = []

    def wait() -> None:
        with pytest.raises(LedgerError) as lost, Releases(other).exclusively("shop", 60):
            pass
        said.append(str(lost.value))

    with releases.exclusively("shop", 1):
        waiting = Thread(target=wait)
        waiting.start()
        wait_until(lambda: end_sessions(watching, holding=False) > 0, "the waiting one is cut off")
        waiting.join(30)
    assert said
    assert said[0].startswith("the ledger was lost while waiting for the release of shop")
