"""How many replicas answer while a load is played, second by second."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tidewheel.errors import TidewheelError

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend

EVERY_SECONDS = 1.0


class ReplicaCounter:
    """Reads the number of ready replicas of the live colour from the backend, in a thread of its own.

    Args:
        backend: None where the endpoint is not this installation's; then nothing is counted.
    """

    def __init__(self, backend: Backend | None) -> None:
        self._backend = backend
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="replicas", daemon=True)
        self.counts: list[float] = []
        """One a second; NaN where it is not known."""
        self.problem = ""
        """Why the newest unknown one is not known."""

    def __enter__(self) -> Self:
        if self._backend is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _read(self) -> None:
        assert self._backend is not None
        started = time.monotonic()
        while not self._over.wait(max(0.0, started + len(self.counts) * EVERY_SECONDS - time.monotonic())):
            try:
                live = self._backend.traffic().live
                self.counts.append(float(self._backend.ready_replicas(live)) if live else 0.0)
            except TidewheelError as error:
                self.problem = str(error)
                self.counts.append(float("nan"))
