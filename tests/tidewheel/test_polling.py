"""A loop that polls looks at once, pauses between looks, and ends when its time is over."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tidewheel.polling import poll


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("tidewheel.polling.time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_it_looks_at_the_beginning_and_once_at_the_end(clock: Clock) -> None:
    assert [clock.now for _ in poll(2, every=0.5, pause=clock.pause)] == [0, 0.5, 1, 1.5, 2, 2.5]


def test_without_time_it_still_looks(clock: Clock) -> None:
    assert [clock.now for _ in poll(-1, every=0.5, pause=clock.pause)] == [0]


def test_who_has_seen_enough_does_not_pause(clock: Clock) -> None:
    for _ in poll(2, every=0.5, pause=clock.pause):
        break
    assert clock.now == 0


def test_a_pause_may_end_the_wait() -> None:
    def interrupted(_: float) -> None:
        raise InterruptedError

    looks = poll(60, every=0.5, pause=interrupted)
    next(looks)
    with pytest.raises(InterruptedError):
        next(looks)
