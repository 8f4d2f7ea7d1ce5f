"""How the embedded services are asked whether they answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from infra.embedded import services
from tests.free_ports import free_port


@pytest.fixture
def no_client_yet() -> Iterator[None]:
    services._make_client.cache_clear()
    yield
    services._make_client().close()
    services._make_client.cache_clear()


@pytest.mark.usefixtures("no_client_yet")
def test_threads_that_look_at_services_at_once_share_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Slow(httpx.Client):
        def __init__(self, **arguments: object) -> None:
            made.append(self)
            time.sleep(0.1)
            super().__init__(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(httpx, "Client", Slow)
    url = f"http://127.0.0.1:{free_port()}/health"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(services._unanswered, [url] * 4))
    assert all(answer.startswith(url) for answer in answers)
    assert len(made) == 1
