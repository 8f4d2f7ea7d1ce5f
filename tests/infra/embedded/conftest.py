"""A small real installation: PostgreSQL and Envoy are its own, MLflow and Airflow somebody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.embedded.layout import Layout
from infra.embedded.platform import Platform, start_supervisord
from infra.embedded.supervisor import Supervisor
from tests.installation import environment_of
from tidewheel.settings import load_settings

ELSEWHERE = "http://127.0.0.1:9"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """This process's environment, for a home of its own whose MLflow and Airflow are somebody else's."""
    wanted = environment_of(tmp_path / "home") | {
        "TIDEWHEEL_MLFLOW_URL": ELSEWHERE,
        "TIDEWHEEL_AIRFLOW_URL": ELSEWHERE,
        "TIDEWHEEL_AIRFLOW_PASSWORD": 'it\'s "theirs" #1',
    }
    for name in [name for name in os.environ if name not in wanted]:
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    return wanted


@pytest.fixture
def small(environment: dict[str, str]) -> Iterator[Platform]:
    """A small installation, not yet up."""
    platform = Platform(load_settings())
    yield platform
    platform.down()


@pytest.fixture(scope="module")
def supervisor(layout: Layout) -> Iterator[Supervisor]:
    """A running supervisord, in the home that the module's own `layout` is about."""
    supervisor = start_supervisord(layout, {"PATH": os.environ["PATH"]})
    yield supervisor
    supervisor.shutdown()
