"""An installation of one pipeline, and an Envoy, that several tests of this room use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PostgresServer
from tests.infra.prometheus.envoy import RunningEnvoy
from tests.infra.prometheus.installation import Installation, installation
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger
from tidewheel.settings import Settings


@pytest.fixture
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnvoy]:
    running = RunningEnvoy(tmp_path_factory.mktemp("envoy"))
    running.start()
    yield running
    running.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, restarted_postgres: PostgresServer) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("monitoring"), restarted_postgres) as started:
        yield started


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger(database_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    (tmp_path / "dags").mkdir()
    approved = f"{PIPELINE_FILE}gate: {{approval: manual}}\ntriggers: {{maximum_age_days: 30}}\n"
    (tmp_path / "dags" / "orders.yaml").write_text(approved)
    return Settings(project=tmp_path, home=tmp_path / "home", database_url=database_url)
