"""Requests that go on while a release happens: kept connections and fresh ones, every failure noted."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from types import TracebackType

import httpx

from tests.infra.local.conftest import Place

PAUSE_SECONDS = 0.004


class OngoingRequests:
    """Sends requests from several threads until it is left."""

    def __init__(self, place: Place, kept: int = 3, fresh: int = 1, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._url = f"{place.backend.endpoint()}/predict"
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.failures: list[str] = []
        self.versions: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._send, args=(n < kept,)) for n in range(kept + fresh)]

    def __enter__(self) -> OngoingRequests:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self, kept: bool) -> None:
        headers = {} if kept else {"connection": "close"}
        with httpx.Client(timeout=10, headers=headers) as client:
            for n in itertools.count():
                if self._over.is_set():
                    return
                row = {"weight": n % 40 / 10 - 2, "distance": 100.0 + n % 7, "carrier": "fast"}
                try:
                    answer = client.post(self._url, json={"rows": [row]})
                    failure = "" if answer.status_code == 200 else f"{answer.status_code}: {answer.text}"
                except httpx.HTTPError as error:
                    failure = repr(error)
                with self._lock:
                    if failure:
                        self.failures.append(failure)
                    else:
                        self.versions[answer.json()["model_version"]] += 1
                time.sleep(self._pause)
