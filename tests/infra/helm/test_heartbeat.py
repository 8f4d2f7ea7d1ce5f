"""The probe of Airflow's processes, and whether the databases are prepared, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from uuid import uuid4

import pytest

from infra.embedded.postgres import connect
from infra.helm.databases import airflow_is_current
from infra.helm.heartbeat import problem
from tidewheel import ledger

JOB = "SchedulerJob"


def run(url: str, *statements: str) -> None:
    """Run statements."""
    with contextlib.closing(connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def empty_url(postgres_url: Callable[[str], str]) -> str:
    """A database of the test's own, which nothing is in."""
    name = f"chart_{uuid4().hex[:8]}"
    with contextlib.closing(connect(postgres_url("postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
    return postgres_url(name)


@pytest.fixture
def airflow_url(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Airflow's database, with its table of processes and no process in it."""
    run(empty_url, "CREATE TABLE job (job_type text, hostname text, state text, latest_heartbeat timestamptz)")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", empty_url)
    return empty_url


def test_a_process_is_alive_by_its_own_newest_heartbeat(airflow_url: str) -> None:
    host = socket.getfqdn()
    assert "has begun" in problem(JOB, started=True)
    beat = "INSERT INTO job VALUES ('%s', '%s', 'running', now() - interval '%s seconds')"
    run(airflow_url, beat % (JOB, "another", 1), beat % ("TriggererJob", host, 1))
    assert "has begun" in problem(JOB, started=False)
    run(airflow_url, beat % (JOB, host, 600))
    assert "no heartbeat for 600 s, limit 120 s" in problem(JOB, started=False)
    run(airflow_url, beat % (JOB, host, 5))
    assert problem(JOB, started=True) == ""


def test_a_database_that_is_away_stops_a_start_and_costs_no_running_process_its_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://a:b@127.0.0.1:1/airflow")
    assert "Airflow's database" in problem(JOB, started=True)
    assert problem(JOB, started=False) == ""


def test_a_ledger_is_current_once_it_is_migrated(empty_url: str) -> None:
    assert not ledger.is_current(empty_url)
    ledger.migrate(empty_url)
    assert ledger.is_current(empty_url)
    assert not ledger.is_current(empty_url.rsplit("/", 1)[0] + "/nowhere")


def test_airflows_tables_are_current_only_for_the_version_that_made_them(airflow_url: str) -> None:
    assert not airflow_is_current(airflow_url)
    run(airflow_url, "CREATE TABLE tidewheel_prepared (airflow text)", "INSERT INTO tidewheel_prepared VALUES ('0.1')")
    assert not airflow_is_current(airflow_url)
