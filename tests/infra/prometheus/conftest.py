"""An Envoy that several tests of this room send requests through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.infra.prometheus.envoy import RunningEnvoy


@pytest.fixture
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnvoy]:
    running = RunningEnvoy(tmp_path_factory.mktemp("envoy"))
    running.start()
    yield running
    running.close()
