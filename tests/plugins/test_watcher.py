"""The registry is looked at once for all pipelines, and each disagreement is told once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string
from airflow.triggers.shared_stream import SharedStreamManager

from plugins import watcher
from plugins.registry import Unreleased
from plugins.watcher import FIRST_REMINDER_SECONDS, LAST_REMINDER_SECONDS, Attention, ChampionTrigger, Look
from tidewheel.errors import PlatformError

NEW = Unreleased("5", "4")
QUICK = 0.001


def test_a_champion_that_does_not_answer_is_told_once() -> None:
    attention = Attention()
    assert [attention.caught_by(NEW, now) for now in (0.0, 5.0, 10.0)] == [True, False, False]


def test_every_move_of_the_alias_is_told_also_one_there_and_back() -> None:
    attention = Attention()
    moves = [None, NEW, Unreleased("6", "4"), None, NEW, NEW]
    assert [attention.caught_by(found, 1.0) for found in moves] == [False, True, True, False, True, False]


def test_a_disagreement_that_lasts_is_told_again_less_and_less_often() -> None:
    attention, told, now = Attention(), [], 0.0
    while now < 7 * LAST_REMINDER_SECONDS:
        if attention.caught_by(NEW, now):
            told.append(now)
        now += 300.0
    waits = [later - earlier for earlier, later in pairwise(told)]
    assert waits[:4] == [FIRST_REMINDER_SECONDS * 2**n for n in range(4)]
    assert waits[-1] == LAST_REMINDER_SECONDS
    assert len(told) < 20


def test_a_trigger_survives_the_way_into_airflows_database() -> None:
    classpath, kwargs = ChampionTrigger("orders").serialize()
    again = import_string(classpath)(**kwargs)
    assert again.serialize() == (classpath, kwargs)
    assert again.shared_stream_key() == ChampionTrigger("mails").shared_stream_key()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Scripts what is seen: one item a look, an exception to be raised; the last is seen for ever."""

    def script(*seen: Look | Exception) -> list[int]:
        made: list[int] = []

        def look(self: watcher.RegistryWatch) -> Look:
            made.append(1)
            found = seen[min(len(made), len(seen)) - 1]
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(watcher.RegistryWatch, "look", look)
        return made

    return script


async def first_events(pipelines: list[str], seconds: float = 20) -> dict[str, Any]:
    """The first event of each pipeline's trigger, run as the triggerer runs them."""
    streams = SharedStreamManager()

    async def first(number: int, pipeline: str) -> Any:
        trigger = ChampionTrigger(pipeline, look_seconds=QUICK)
        key = trigger.shared_stream_key()
        shared: AsyncIterator[Any] = streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        async for event in trigger.filter_shared_stream(shared):
            await streams.unsubscribe(number, key)
            return event.payload

    try:
        found = asyncio.gather(*(first(n, pipeline) for n, pipeline in enumerate(pipelines)))
        return dict(zip(pipelines, await asyncio.wait_for(found, seconds), strict=True))
    finally:
        await streams.stop_all()


def test_a_hundred_pipelines_share_one_look(looks: Callable[..., list[int]]) -> None:
    names = [f"shop_{n}" for n in range(100)]
    made = looks({}, {name: Unreleased(str(n), None) for n, name in enumerate(names)})
    events = asyncio.run(first_events(names))
    assert events == {name: asdict(Unreleased(str(n), None)) for n, name in enumerate(names)}
    assert len(made) < 20


def test_a_registry_that_does_not_answer_is_said_once_and_watched_on(
    looks: Callable[..., list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    silent = ConnectionError("nobody listens")
    looks(silent, silent, silent, {"orders": NEW})
    with caplog.at_level(logging.WARNING, "tidewheel.watcher"):
        assert asyncio.run(first_events(["orders"])) == {"orders": asdict(NEW)}
    assert caplog.messages == ["the champions cannot be watched at present: ConnectionError: nobody listens"]


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., watcher.RegistryWatch]:
    """A watch that finds these things astray, a look each, and whose looks tell that alone."""

    def script(*seen: dict[str, str] | Exception) -> watcher.RegistryWatch:
        looks = iter(seen)

        def routed_astray(*_: object) -> dict[str, str]:
            found = next(looks)
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr("plugins.registry.routed_astray", routed_astray)
        monkeypatch.setattr("plugins.registry.unreleased", lambda *arguments: arguments[-1])
        monkeypatch.setattr("tidewheel.ledger.Ledger.open", lambda _, **how: None)
        return watcher.RegistryWatch()

    return script


def test_what_the_router_does_against_the_ledger_is_told_once_it_lasts(
    routes: Callable[..., watcher.RegistryWatch],
) -> None:
    torn: dict[str, Any] = {"orders": "green"}
    other = {"orders": "no colour"}
    watch = routes(torn, torn, other, {}, torn)
    assert [watch.look() for _ in range(5)] == [{}, torn, {}, {}, {}]


def test_a_router_that_does_not_answer_is_said_once_and_aliases_are_watched_on(
    routes: Callable[..., watcher.RegistryWatch], caplog: pytest.LogCaptureFixture
) -> None:
    silent = PlatformError("Envoy does not answer")
    watch = routes(silent, silent, {"orders": "green"}, silent)
    with caplog.at_level(logging.WARNING, "tidewheel.watcher"):
        assert [watch.look() for _ in range(4)] == [{}] * 4
    assert caplog.messages == ["the router cannot be watched at present: Envoy does not answer"] * 2
