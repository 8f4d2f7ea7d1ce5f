"""Waiting for what nobody announces: look, pause, look again, until a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def poll(seconds: float, *, every: float, pause: Callable[[float], object] = time.sleep) -> Iterator[None]:
    """Let the body of a `for` loop look again and again; the loop ends when the time is over.

    The body leaves with `return` or `break` when it sees what it waits for; what follows the loop raises the error. It
    runs at least once, also with 0 seconds, and is never interrupted.

        for _ in poll(30, every=0.5):
            if server.is_up():
                return
        raise PlatformError("the server did not start within 30 s")

    Args:
        seconds: no new look is begun after this time.
        every: pause between two looks, in seconds.
        pause: waits for `every` seconds; it may raise, to end the wait early.
    """
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() > deadline:
            return
        pause(every)
