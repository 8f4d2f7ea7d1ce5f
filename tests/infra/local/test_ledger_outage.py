"""The ledger's PostgreSQL is started again in the middle of a release: no version answers callers without a guard."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import PostgresServer, wait_until
from tests.infra.local import ill
from tests.infra.local.conftest import House, Place, released_by
from tests.infra.local.test_release import release
from tests.infra.local.traffic import OngoingRequests
from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.releases import Status
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.release.actions import Actions
from tidewheel.release.stages import Colour, Stage, StageResult

pytestmark = [pytest.mark.platform]


@pytest.fixture
def server(restarted_postgres: PostgresServer) -> PostgresServer:
    return restarted_postgres


@pytest.fixture
def database_url(server: PostgresServer) -> str:
    return server.url("postgres")


@pytest.fixture
def fall_ill(house: House) -> Iterator[Path]:
    """Touched, it makes the version ill that falls ill."""
    file = Path(house.artifacts["falls ill"].path) / "bentos" / ill.ILL_NOW
    yield file
    file.unlink(missing_ok=True)


def bakes(place: Place, number: int) -> bool:
    """Whether a release is in its bake."""
    return any(row.name == "bake" for row in place.releases.stages(number))


@pytest.mark.parametrize("outage", ["stopped", "hangs"])
def test_a_version_that_falls_ill_while_the_ledger_is_away_is_taken_back_within_seconds(
    place: Place, server: PostgresServer, fall_ill: Path, outage: str
) -> None:
    release(place, "1")
    executor = place.executor_for(released_by(place.pipeline, bake_seconds=120))
    with OngoingRequests(place) as traffic, ThreadPoolExecutor(1) as thread:
        number = executor.begin("falls ill", "run").number
        running = thread.submit(executor.run, number)
        wait_until(lambda: bakes(place, number), "the version bakes", 120)
        answered = traffic.versions["falls ill"]
        wait_until(lambda: traffic.versions["falls ill"] > answered + 200, "the guard watches")
        server.stop() if outage == "stopped" else server.signal(signal.SIGSTOP)
        try:
            fall_ill.touch()
            fell_ill, before = time.monotonic(), traffic.versions["1"]
            wait_until(lambda: traffic.versions["1"] > before + 20, "version 1 answers again", 60)
            seconds = time.monotonic() - fell_ill
        finally:
            server.start() if outage == "stopped" else server.signal(signal.SIGCONT)
        with pytest.raises(ReleaseError, match=r"requests to version falls ill failed"):
            running.result(60)
    assert seconds < 10
    ended = place.releases.get(number)
    assert (ended.status, place.backend.version(Colour.GREEN)) == (Status.FAILED, None)
    endpoint = place.releases.endpoint(place.pipeline.name)
    assert endpoint is not None
    assert (endpoint.version, endpoint.colour) == ("1", "blue")
    [verdict] = place.releases.ledger.verdicts(place.pipeline.name, Kind.RELEASE)
    assert verdict.outcome == Outcome.ROLLED_BACK
    assert place.releases.stages(number)[-1].detail["back_after_seconds"] < 5


def test_a_good_version_bakes_on_while_the_ledger_is_away_and_the_release_ends_with_its_record(
    place: Place, server: PostgresServer
) -> None:
    release(place, "1")
    executor = place.executor_for(released_by(place.pipeline, bake_seconds=4))
    with OngoingRequests(place) as traffic, ThreadPoolExecutor(1) as thread:
        number = executor.begin("2", "run").number
        running = thread.submit(executor.run, number)
        wait_until(lambda: bakes(place, number) and traffic.versions["2"] > 20, "version 2 bakes", 120)
        server.stop()
        server.start()
        running.result(120)
    assert traffic.failures == []
    assert place.releases.get(number).status == Status.DONE
    [verdict] = place.releases.ledger.verdicts(place.pipeline.name, Kind.RELEASE)
    assert verdict.outcome == Outcome.PASSED


def test_who_asks_for_a_rollback_after_the_outage_is_heard_by_the_same_guard(
    place: Place, server: PostgresServer
) -> None:
    release(place, "1")
    executor = place.executor_for(released_by(place.pipeline, bake_seconds=120))
    with OngoingRequests(place, kept=1) as traffic, ThreadPoolExecutor(1) as thread:
        number = executor.begin("2", "run").number
        running = thread.submit(executor.run, number)
        wait_until(lambda: bakes(place, number) and traffic.versions["2"] > 20, "version 2 bakes", 120)
        server.stop()
        server.start()
        taken_back = place.executor_for(place.pipeline).roll_back("anna: too many complaints")
        with pytest.raises(Exception, match=r"anna: too many complaints|another process"):
            running.result(60)
    assert taken_back is not None
    assert taken_back.answers == "1"
    assert traffic.failures == []
    assert place.releases.get(number).status == Status.FAILED


@pytest.mark.parametrize("stage", ["switch", "confirm"])
def test_a_ledger_that_goes_away_before_the_guard_watches_brings_the_old_version_back(
    place: Place, server: PostgresServer, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(place, "1")
    executor = place.executor_for(released_by(place.pipeline, bake_seconds=1))
    number = executor.begin("2", "run").number
    perform = Actions.perform

    def perform_and_lose_the_ledger(actions: Actions, asked: Stage) -> StageResult:
        found = perform(actions, asked)
        if asked.name == stage:
            server.stop()
        return found

    monkeypatch.setattr("tidewheel.release.executor.UNGUARDED_SECONDS", 1.0)
    monkeypatch.setattr(Actions, "perform", perform_and_lose_the_ledger)
    try:
        with pytest.raises(LedgerError, match="ledger"):
            executor.run(number)
        assert place.backend.traffic().live is Colour.BLUE
        assert place.predict()["model_version"] == "1"
    finally:
        monkeypatch.undo()
        server.start()
    resumed = place.executor_for(released_by(place.pipeline, bake_seconds=0.5))
    if stage == "switch":  # whoever goes on switches again, and this time the guard watches
        resumed.run(number)
    else:
        with pytest.raises(ReleaseError, match="the router still sends requests to blue"):
            resumed.run(number)
    ended, endpoint = place.releases.get(number), place.releases.endpoint(place.pipeline.name)
    assert endpoint is not None
    assert (ended.status, endpoint.version) == ((Status.DONE, "2") if stage == "switch" else (Status.FAILED, "1"))
    assert place.predict()["model_version"] == endpoint.version
